//  Command.swift — what a program can be told: a tree of commands, as a value.
//
//  Why.  The parser, `--help`, the man pages' test and three shells' completions must not disagree, so all of them
//  are made from this one declaration. It holds no code: the program looks at the `Invocation` and runs what was
//  asked for.
//
//      let bench = Command("bench", "measures every path alone, then the bond", [file, flows, seconds, json])
//      let netlab = Program("netlab", "builds, measures and simulates networks", commands: [bench, up, down])
//
//  Always true, or the program stops at its start with a sentence that says which rule it broke.  (1) A command has
//  either commands of its own or arguments, never both: a word's place tells what it is. (2) Names are unique among
//  what can be said at one place, inherited options included. (3) Arguments that must be given come before those that
//  need not, and only the last may repeat. (4) -h, --help and --version are ours.

public struct Command: Sendable {
  public let name: String
  /// A phrase without a full stop that continues the name: "measures every path alone, then the bond".
  public let summary: String
  /// Paragraphs for the help, a line each; lines that begin with a space are shown as they are.
  public let details: String
  public let parameters: [Declaration]
  public let commands: [Command]
  /// Of each of these groups of parameters at most one may be given.
  public let exclusive: [[String]]
  public let exitCodes: KeyValuePairs<Int32, String>
  /// For our own use: it runs, but neither the help nor a shell tells of it.
  public let isHidden: Bool

  public init(
    _ name: String, _ summary: String, _ parameters: [any Parameter] = [], exclusive: [[any Parameter]] = [],
    details: String = "", exitCodes: KeyValuePairs<Int32, String> = [:], isHidden: Bool = false
  ) {
    self.init(
      name, summary, parameters, commands: [], exclusive: exclusive, details: details, exitCodes: exitCodes,
      isHidden: isHidden)
  }

  /// A command that only groups others; its options hold for all of them.
  public init(
    _ name: String, _ summary: String, options: [any Parameter] = [], commands: [Command], details: String = "",
    isHidden: Bool = false
  ) {
    precondition(!commands.isEmpty, "\(name): a group needs commands")
    self.init(
      name, summary, options, commands: commands, exclusive: [], details: details, exitCodes: [:], isHidden: isHidden)
  }

  init(
    _ name: String, _ summary: String, _ parameters: [any Parameter], commands: [Command],
    exclusive: [[any Parameter]], details: String, exitCodes: KeyValuePairs<Int32, String>, isHidden: Bool
  ) {
    self.name = name
    self.summary = summary
    self.parameters = parameters.map(\.declaration)
    self.commands = commands
    self.exclusive = exclusive.map { $0.map(\.declaration.name) }
    self.details = details
    self.exitCodes = exitCodes
    self.isHidden = isHidden
  }
}

/// A command together with those that it hangs under, from the program down: "netlab bench". What can be said there
/// includes the options of all of them.
public struct CommandPath: Sendable {
  /// From the program to the command; never empty.
  let chain: [Command]

  public var command: Command { chain[chain.count - 1] }
  /// "netlab bench"
  public var title: String { chain.map(\.name).joined(separator: " ") }
  /// "bench"; empty for the program itself.
  public var name: String { chain.dropFirst().map(\.name).joined(separator: " ") }
  public var isProgram: Bool { chain.count == 1 }

  public var arguments: [Declaration] { command.parameters.filter { $0.role == .argument } }
  public var rest: Declaration? { command.parameters.first { $0.role == .rest } }
  /// Everything with a dash that this command understands: its own options, inherited ones, then --help.
  public var allOptions: [Declaration] { ownOptions + inheritedOptions + standardOptions }
  public var visibleCommands: [Command] { command.commands.filter { !$0.isHidden } }

  var ownOptions: [Declaration] { command.parameters.filter(\.isOption) }
  var inheritedOptions: [Declaration] { chain.dropLast().reversed().flatMap { $0.parameters.filter(\.isOption) } }
  var standardOptions: [Declaration] {
    isProgram ? [helpFlag.declaration, versionFlag.declaration] : [helpFlag.declaration]
  }

  func appending(_ command: Command) -> CommandPath { CommandPath(chain: chain + [command]) }

  /// This path and all visible ones below it, in the order of the declaration.
  var visibleTree: [CommandPath] { [self] + visibleCommands.flatMap { appending($0).visibleTree } }

  /// Stops a program whose declaration breaks a rule.
  func audit() {
    func rule(_ holds: Bool, _ sentence: String) { precondition(holds, "\(title): \(sentence)") }
    let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-".utf8
    func isWord(_ name: String) -> Bool {
      !name.isEmpty && !name.hasPrefix("-") && name.utf8.allSatisfy { allowed.contains($0) }
    }
    rule(isWord(command.name), "a command's name is made of small letters, digits and dashes")
    rule(!command.summary.hasSuffix("."), "a summary is a phrase without a full stop")
    rule(command.commands.isEmpty || (arguments.isEmpty && rest == nil), "commands or arguments, not both")
    rule(arguments.dropLast().allSatisfy { !$0.isRepeated }, "only the last argument may repeat")
    rule(
      arguments.drop { $0.isRequired }.allSatisfy { !$0.isRequired },
      "arguments that must be given come before those that need not")
    rule(command.parameters.count { $0.role == .rest } <= 1, "there is one rest")
    for option in allOptions {
      rule(isWord(option.name), "an option's name is made of small letters, digits and dashes, not \(option.name)")
      rule(option.short.map { $0.isASCII && $0.isLetter } ?? true, "-x is a letter, in \(option.label)")
    }
    for argument in arguments + (rest.map { [$0] } ?? []) {
      rule(argument.name == argument.name.uppercased(), "an argument's name is in capitals, not \(argument.name)")
    }
    func isUnique(_ names: [String]) -> Bool { Set(names).count == names.count }
    rule(isUnique(allOptions.map(\.name)), "two options have the same name")
    rule(isUnique(allOptions.compactMap { $0.short.map(String.init) }), "two options have the same letter")
    rule(isUnique(command.parameters.map(\.name)), "two parameters have the same name")
    rule(isUnique(command.commands.map(\.name)), "two commands have the same name")
    for group in command.exclusive {
      let members = command.parameters.filter { group.contains($0.name) }
      rule(members.count == group.count && group.count > 1, "an exclusive group names parameters of the command")
      rule(members.allSatisfy { !$0.isRequired && $0.role != .rest }, "what must be given excludes nothing")
    }
    for child in command.commands { appending(child).audit() }
  }
}

let helpFlag = Flag("help", short: "h", "show this text")
let versionFlag = Flag("version", "show the version")
