//  Program.swift — a whole program's declaration, and what its arguments ask it to do.
//
//      @main struct Netlab {
//        static func main() {
//          switch program.action(for: Array(CommandLine.arguments.dropFirst())) {
//          case .run(let invocation): exit(run(invocation))
//          case .print(let text): print(text)
//          case .fail(let sentence, let code): complain(sentence); exit(code)
//          }
//        }
//      }
//
//  `help COMMAND`, `completions SHELL`, --help and --version are answered here, for every program alike.

/// What a program does next. Nothing has been printed or opened yet.
public enum Action: Sendable {
  case run(Invocation)
  /// To standard output; then exit with 0.
  case print(String)
  /// To standard error; then exit with this code.
  case fail(String, code: Int32)
}

public struct Program: Sendable {
  /// EX_USAGE of sysexits.h, so that a script can tell a wrong call from a failed one.
  public static let wrongUsage: Int32 = 64

  public let version: String
  /// The program as the command that holds all others.
  public let root: CommandPath

  /// `options` hold for every command, before or after its name.
  public init(
    _ name: String, _ summary: String, options: [any Parameter] = [], commands: [Command], details: String = "",
    exitCodes: KeyValuePairs<Int32, String> = [:], version: String = Version.current
  ) {
    self.version = version
    root = CommandPath(chain: [
      Command(
        name, summary, options, commands: commands + [completionsCommand, helpCommand(on: commands)], exclusive: [],
        details: details, exitCodes: exitCodes, isHidden: false)
    ])
    root.audit()
  }

  public var name: String { root.title }

  /// Every command that users are told of, the program itself first.
  public var visibleCommands: [CommandPath] { root.visibleTree }

  /// What these arguments (without the program's name) ask for.
  public func action(for arguments: [String]) -> Action {
    do throws(Parser.Stop) {
      var parser = Parser(root: root)
      let invocation = try parser.parse(arguments)
      switch invocation.command {
      case "help": return try .print(help(on: invocation[topic([])]))
      case "completions": return .print(completions(for: invocation[shell]))
      default: return .run(invocation)
      }
    } catch {
      switch error {
      case .help(let path): return .print(path.help)
      case .version: return .print("\(name) \(version)")
      case .wrong(let sentence): return .fail(sentence, code: Program.wrongUsage)
      }
    }
  }

  /// The script that teaches this shell the program's words.
  public func completions(for shell: Shell) -> String {
    switch shell {
    case .bash: bashCompletions(self)
    case .zsh: zshCompletions(self)
    case .fish: fishCompletions(self)
    }
  }

  private func help(on topic: [String]) throws(Parser.Stop) -> String {
    var path = root
    for word in topic { path = try Parser.descend(from: path, into: word) }
    return path.help
  }
}

public enum Shell: String, CaseIterable, Sendable {
  case bash, zsh, fish
}

private let shell = Argument("SHELL", .choice(of: Shell.self), "the shell")
private let completionsCommand = Command(
  "completions", "prints a script that teaches a shell this program's words", [shell])

private func topic(_ commands: [Command]) -> Argument<[String]> {
  let words = commands.filter { !$0.isHidden }.map(\.name)
  return Argument(
    repeated: "COMMAND", .text("a command", candidates: .words(words)), "the command; the program itself when absent")
}

private func helpCommand(on commands: [Command]) -> Command {
  Command("help", "explains a command", [topic(commands + [completionsCommand])])
}
