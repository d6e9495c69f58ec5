//  FishCompletions.swift — the script that teaches fish a program's words.
//
//  Fish asks each `complete` line whether its condition holds. The condition is a function of ours that walks over
//  the words before the cursor as the parser would; fish's own `__fish_seen_subcommand_from` would take a file called
//  "up" for the command.

func fishCompletions(_ program: Program) -> String {
  let name = program.name
  let function = "__" + functionName(name)
  let paths = program.visibleCommands
  var valued: [String] = []
  var steps: [String] = []
  var lines: [String] = []
  for path in paths {
    let at = path.name
    let here = "complete -c \(name) -n \(fishQuote("\(function)_at \(fishQuote(at))"))"
    func place(_ count: String) -> String {
      "complete -c \(name) -n \(fishQuote("\(function)_at \(fishQuote(at)) \(count)"))"
    }
    for command in path.visibleCommands {
      steps.append(
        "case \(fishQuote("\(at) \(command.name)"))\n        set at \(fishQuote(path.appending(command).name))")
      lines.append("\(place("0")) -a \(command.name) -d \(fishQuote(command.summary))")
    }
    for option in path.allOptions {
      let letters = option.short.map { " -s \($0)" } ?? ""
      let start = "\(here) -l \(option.name)\(letters) -d \(fishQuote(option.summary))"
      if option.role == .flag {
        lines.append(start)
      } else {
        valued += option.spellings.map { fishQuote("\(at) \($0)") }
        lines.append("\(start) -r \(arguments(option.candidates, function))")
      }
    }
    for (number, argument) in path.arguments.enumerated() {
      let count = argument.isRepeated ? "(seq \(number) 99)" : "\(number)"
      lines.append("\(place(count)) \(arguments(argument.candidates, function))")
    }
    if let rest = path.rest {
      lines.append("\(place("\(path.arguments.count)")) -a -- -d \(fishQuote(rest.summary))")
      lines.append("\(place("rest")) -f -a '(\(function)_command_line)'")
    }
  }
  return """
    # fish completion for \(name), made by '\(name) completions fish'.
    # Try it with: \(name) completions fish | source
    # Keep it as:  /usr/share/fish/vendor_completions.d/\(name).fish

    # Whether the words before the cursor lead to the command $argv[1], with as many arguments
    # as one of the others says.
    function \(function)_at
      set -l at ''
      set -l count 0
      set -l takes_next 0
      for word in (commandline -opc)[2..-1]
        if test $count = rest
          break
        else if test $takes_next = 1
          set takes_next 0
          continue
        end
        switch "$at $word"
    \(valued.isEmpty ? "" : "      case \(valued.joined(separator: " "))\n        set takes_next 1")
          case '* --'
            set count rest
          case '* -*'
            continue
    \(steps.map { "      \($0)" }.joined(separator: "\n"))
          case '*'
            set count (math $count + 1)
        end
      end
      test "$at" = "$argv[1]"; or return 1
      if test (count $argv) = 1
        test $count != rest
      else
        contains -- $count $argv[2..-1]
      end
    end

    # What follows the word "--": a program, then files.
    function \(function)_command_line
      set -l words (commandline -opc)
      if test "$words[-1]" = --
        __fish_complete_command
      else
        __fish_complete_path (commandline -ct)
      end
    end

    complete -c \(name) -f
    \(lines.joined(separator: "\n"))
    """
}

private func arguments(_ candidates: Candidates, _ function: String) -> String {
  switch candidates {
  case .nothing: "-f"
  case .words(let words): "-f -a \(fishQuote(words.joined(separator: " ")))"
  case .files(nil): "-F"
  case .files(let ending?): "-f -a \(fishQuote("(__fish_complete_suffix \(ending))"))"
  case .directories: "-f -a '(__fish_complete_directories (commandline -ct))'"
  case .output(let commandLine): "-f -a \(fishQuote("(\(commandLine) 2>/dev/null)"))"
  }
}

/// In fish's single quotes only a quote and a backslash mean something.
private func fishQuote(_ text: String) -> String {
  "'" + text.flatMap { $0 == "'" || $0 == "\\" ? ["\\", $0] : [$0] } + "'"
}
