//  ZshCompletions.swift — the script that teaches zsh a program's words.
//
//  One function a command, each a call of zsh's own `_arguments`, which knows about bundled letters, joined values
//  and options that were given already. A command with commands below it hands the words after them down.

func zshCompletions(_ program: Program) -> String {
  let name = program.name
  let function = "_" + functionName(name)
  let functions = program.visibleCommands.map { path in
    path.visibleCommands.isEmpty ? leaf(path, function) : group(path, function)
  }
  return """
    #compdef \(name)
    # zsh completion for \(name), made by '\(name) completions zsh'.
    # Try it with: source <(\(name) completions zsh)
    # Keep it as:  /usr/share/zsh/vendor-completions/_\(name)

    # What a command prints, a candidate a line.
    \(function)__output() {
      local -a candidates
      candidates=(${(f)"$("$@" 2>/dev/null </dev/null)"})
      compadd -a candidates
    }

    \(functions.joined(separator: "\n\n"))

    if [[ $funcstack[1] == _\(name) ]]; then
      \(function) "$@"
    else
      compdef \(function) \(name)
    fi
    """
}

/// The function for a path: "_netlab", "_netlab_bench".
private func functionName(for path: CommandPath, _ function: String) -> String {
  path.isProgram ? function : function + "_" + functionName(String(path.name.map { $0 == " " ? "_" : $0 }))
}

private func leaf(_ path: CommandPath, _ function: String) -> String {
  var specs = path.allOptions.flatMap { optionSpecs($0, function) }
  for (place, argument) in path.arguments.enumerated() {
    let position = argument.isRepeated ? "*" : "\(place + 1)"
    let separator = argument.isRequired || argument.isRepeated ? ":" : "::"
    specs.append(position + separator + escaped(argument.name) + ":" + action(argument.candidates, function))
  }
  var start = ""
  if let rest = path.rest {
    specs.append("\(path.arguments.count + 1):" + escaped(rest.name) + ":(--)")
    start = """

        local -i dashes=${words[(i)--]}
        if (( dashes < CURRENT )); then
          shift $dashes words
          (( CURRENT -= dashes ))
          _normal
          return
        fi
      """
  }
  return """
    \(functionName(for: path, function))() {\(start)
      \(call("_arguments -s -S", specs))
    }
    """
}

private func group(_ path: CommandPath, _ function: String) -> String {
  let specs = path.allOptions.flatMap { optionSpecs($0, function) } + ["1:command:->command", "*::argument:->argument"]
  let commands = path.visibleCommands
  let described = commands.map { "        " + quote("\($0.name):\($0.summary)") }.joined(separator: "\n")
  let cases = commands.map { command in
    "        \(command.name)) \(functionName(for: path.appending(command), function)) ;;"
  }.joined(separator: "\n")
  return """
    \(functionName(for: path, function))() {
      local curcontext=$curcontext state line
      typeset -A opt_args
      \(call("_arguments -C -s -S", specs)) && return
      case $state in
        command)
          local -a commands
          commands=(
    \(described)
          )
          _describe -t commands command commands
          ;;
        argument)
          curcontext=${curcontext%:*:*}:\(functionName(for: path, function))-$line[1]:
          case $line[1] in
    \(cases)
          esac
          ;;
      esac
    }
    """
}

private func call(_ start: String, _ specs: [String]) -> String {
  ([start] + specs.map { "    " + quote($0) }).joined(separator: " \\\n")
}

/// One specification for each spelling; a spelling that was given rules the others out.
private func optionSpecs(_ option: Declaration, _ function: String) -> [String] {
  let isFinal = option.name == helpFlag.declaration.name || option.name == versionFlag.declaration.name
  let others = isFinal ? "(- *)" : "(\(option.spellings.joined(separator: " ")))"
  return option.spellings.map { spelling in
    let start = (option.isRepeated ? "*" : others) + spelling
    let text = "[\(escaped(option.summary))]"
    if option.role == .flag { return start + text }
    let joint = spelling.hasPrefix("--") ? "=" : "+"
    return start + joint + text + ":" + escaped(option.valueName) + ":" + action(option.candidates, function)
  }
}

private func action(_ candidates: Candidates, _ function: String) -> String {
  switch candidates {
  case .nothing: " "
  case .words(let words): "(\(words.map(escapedWord).joined(separator: " ")))"
  case .files(nil): "_files"
  case .files(let ending?): "_files -g \"*\(ending)(-.)\""
  case .directories: "_files -/"
  case .output(let commandLine): " \(function)__output \(commandLine)"
  }
}

/// For the inside of a specification, where colons and brackets have a meaning.
private func escaped(_ text: String) -> String { escaping(text, "\\:[]") }

private func escapedWord(_ text: String) -> String { escaping(text, "\\:() '\"$`*?[]") }

private func escaping(_ text: String, _ special: String) -> String {
  String(text.flatMap { special.contains($0) ? ["\\", $0] : [$0] })
}
