//  BashCompletions.swift — the script that teaches bash a program's words.
//
//  How.  One function walks over the words before the cursor, as the parser would: `at` is the command reached,
//  `pending` the option that waits for its value, `count` the arguments seen. What can come next is a `case` over
//  these. The words are written into the script, so that a press of the key starts no program; only what the program
//  alone knows (names of what is running) is asked of it.
//
//  Bash cuts words at "=", so "--cc=b" arrives as three. Candidates are compared by hand: `compgen -W` would expand a
//  "$" in them.

func bashCompletions(_ program: Program) -> String {
  let name = program.name
  let function = "_" + functionName(name)
  let paths = program.visibleCommands

  var valued: [String] = []  // options that take the next word
  var steps: [String] = []  // words that lead to a command
  var values: [String] = []
  var options: [String] = []
  var places: [String] = []
  var rests: [String] = []
  for path in paths {
    let at = path.name
    options.append("\(quote(at))) \(offer(path.allOptions.map(\.label), function)) ;;")
    for option in path.allOptions where option.role == .option {
      let patterns = option.spellings.map { quote("\(at) \($0)") }.joined(separator: " | ")
      valued.append(patterns)
      values.append("\(patterns)) \(action(option.candidates, function)) ;;")
    }
    for command in path.visibleCommands {
      let deeper = path.appending(command).name
      steps.append("\(quote("\(at) \(command.name)"))) at=\(quote(deeper)) ;;")
    }
    if !path.visibleCommands.isEmpty {
      places.append("\(quote("\(at) 0"))) \(offer(path.visibleCommands.map(\.name), function)) ;;")
    }
    for (place, argument) in path.arguments.enumerated() {
      let pattern = argument.isRepeated ? quote("\(at) ") + "*" : quote("\(at) \(place)")
      places.append("\(pattern)) \(action(argument.candidates, function)) ;;")
    }
    if path.rest != nil {
      places.append("\(quote("\(at) \(path.arguments.count)"))) \(offer(["--"], function)) ;;")
      rests.append("\(quote(at))) \(function)_command_line ;;")
    }
  }
  func cases(_ subject: String, _ lines: [String], indent: Int) -> String {
    let space = String(repeating: " ", count: indent)
    if lines.isEmpty { return space + ":" }
    return ([space + "case \(subject) in"] + lines.map { "\(space)  \($0)" } + [space + "esac"]).joined(separator: "\n")
  }
  return """
    # bash completion for \(name), made by '\(name) completions bash'.
    # Try it with: source <(\(name) completions bash)
    # Keep it in:  /usr/share/bash-completion/completions/\(name)

    # Offers those of its arguments that continue the word at the cursor.
    \(function)_offer() {
      local candidate
      for candidate; do
        [[ $candidate == "$current"* ]] || continue
        printf -v candidate %q "$candidate"
        COMPREPLY+=("$candidate")
      done
    }

    # The same for each line that a command prints.
    \(function)_output() {
      local -a candidates
      mapfile -t candidates < <("$@" 2>/dev/null </dev/null)
      \(function)_offer "${candidates[@]}"
    }

    # Files whose name ends with $1, and directories.
    \(function)_files() {
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(
        compgen -d -- "$current"
        compgen -f -X "!*$1" -- "$current" | while IFS= read -r file; do [[ -d $file ]] || printf '%s\\n' "$file"; done
      )
    }

    \(function)_directories() {
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
    }

    # Another program after the word "--", which is the word number $ended.
    \(function)_command_line() {
      if declare -F _command_offset >/dev/null; then
        _command_offset $((ended + 1))
      elif ((COMP_CWORD == ended + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
      else
        \(function)_files ''
      fi
    }

    \(function)() {
      local current=${COMP_WORDS[COMP_CWORD]} at='' pending='' joined='' word
      local -i ended=0 count=0 i
      COMPREPLY=()
      for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $pending ]]; then
          [[ $word == '=' ]] || pending=''
          continue
        fi
        case $word in
          --)
            ended=i
            break
            ;;
          -*)
    \(cases("\"$at $word\"", valued.isEmpty ? [] : [valued.joined(separator: " | ") + ") pending=$word ;;"], indent: 8))
            ;;
          *)
    \(cases("\"$at $word\"", steps + ["*) count+=1 ;;"], indent: 8))
            ;;
        esac
      done
      if ((ended)); then
    \(cases("$at", rests, indent: 4))
        return
      fi
      if [[ -n $pending && $current == '=' ]]; then
        current=''
      elif [[ -z $pending && $current == --*=* ]]; then
        pending=${current%%=*} joined=${current%%=*}= current=${current#*=}
      fi
      if [[ -n $pending ]]; then
    \(cases("\"$at $pending\"", values, indent: 4))
        COMPREPLY=("${COMPREPLY[@]/#/$joined}")
      elif [[ $current == -* ]]; then
    \(cases("$at", options, indent: 4))
      else
    \(cases("\"$at $count\"", places, indent: 4))
      fi
    }

    complete -F \(function) \(name)
    """
}

private func action(_ candidates: Candidates, _ function: String) -> String {
  switch candidates {
  case .nothing: ":"
  case .words(let words): offer(words, function)
  case .files(let ending): "\(function)_files \(quote(ending ?? ""))"
  case .directories: "\(function)_directories"
  case .output(let commandLine): "\(function)_output \(commandLine)"
  }
}

private func offer(_ words: [String], _ function: String) -> String {
  words.isEmpty ? ":" : "\(function)_offer \(words.map(quote).joined(separator: " "))"
}

/// A word that bash and zsh take as it stands.
func quote(_ text: String) -> String {
  let harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,".utf8
  if !text.isEmpty, text.utf8.allSatisfy({ harmless.contains($0) }) { return text }
  return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}

/// "path-oracle" as part of a function's name.
func functionName(_ name: String) -> String { String(name.map { $0 == "-" ? "_" : $0 }) }

extension Declaration {
  /// "--seconds" and "-s"
  var spellings: [String] { [label] + (short.map { ["-\($0)"] } ?? []) }
}
