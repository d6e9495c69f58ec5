//  CompletionTests.swift — the scripts are run by the shells that they are for.
//
//  Bash is everywhere; zsh and fish are asked where they are installed.

import Commands
import Glibc
import Testing

@Suite struct `Completions that a shell really offers` {
  @Test(arguments: Shell.allCases.filter { isInstalled($0.rawValue) })
  func `the shell itself finds no mistake in the script`(shell: Shell) throws {
    try withScript(shell) { script, _ in
      let check = run("\(shell.rawValue) -n \(script) 2>&1")
      #expect(check.status == 0 && check.output.isEmpty, "\(check.output)")
    }
  }

  @Test(arguments: Shell.allCases)
  func `internal commands stay unknown to the shells`(shell: Shell) {
    let script = Specimen.program.completions(for: shell)
    #expect(!script.contains("wire-process"))
    #expect(script.contains("simulate"))
    #expect(Specimen.ask("completions \(shell.rawValue)").printed == script)
  }

  @Test(arguments: [
    (["be"], ["bench"]),
    ([""], ["list", "bench", "simulate", "exec", "down", "oracle", "completions", "help"]),
    (["bench", "--se"], ["--seconds"]),
    (["bench", "--s"], ["--seconds", "--socket"]),
    (["-"], ["--socket", "--help", "--version"]),
    (["bench", "--direction", ""], ["up", "down", "both"]),
    (["bench", "x.topo", "--direction", "d"], ["down"]),
    (["bench", "--direction", "=", "b"], ["both"]),
    (["bench", "--direction", "="], ["up", "down", "both"]),
    (["bench", "--seconds", ""], []),
    (["bench", "--seconds", "5", "b"], ["b.topo", "below"]),
    (["bench", "-s", "5", "b"], ["b.topo", "below"]),
    (["bench", "-s5", "b"], ["b.topo", "below"]),
    (["bench", "b.topo", "b"], []),
    (["oracle", ""], ["query", "watch"]),
    (["oracle", "query", ""], ["monday", "friday"]),
    (["oracle", "-v", "query", "m"], ["monday"]),
    (["oracle", "query", "--report", "b"], ["below"]),
    (["oracle", "query", "--"], ["--report", "--verbose", "--socket", "--help"]),
    (["--socket", "bench", "li"], ["list"]),
    (["exec", ""], ["alice", "bob", #"a\$HOME"#]),
    (["exec", "a"], ["alice", #"a\$HOME"#]),
    (["exec", "alice", ""], ["--"]),
    (["completions", ""], ["bash", "zsh", "fish"]),
    (["help", "be"], ["bench"]),
    (["wire-process", ""], []),
    (["down", "--a"], ["--all"]),
  ])
  func `bash offers what can come next, quoted where it must be`(words: [String], offered: [String]) throws {
    #expect(try bash(words).sorted() == offered.sorted())
  }

  @Test func `bash that does not cut words at an equals sign completes joined values as well`() throws {
    #expect(try bash(["bench", "--direction=b"]) == ["--direction=both"])
  }

  @Test func `bash completes the other command after two dashes`() throws {
    #expect(try bash(["exec", "alice", "--", "ropes-no-such"]) == ["ropes-no-such-but-here"])
    #expect(try bash(["exec", "alice", "--", "ls", "oth"]) == ["other.txt"])
  }

  @Test(
    .enabled(if: isInstalled("fish"), "needs fish"),
    arguments: [
      ("be", ["bench"]), ("bench --se", ["--seconds"]), ("bench --direction ", ["both", "down", "up"]),
      ("bench --direction=b", ["--direction=both"]), ("bench --seconds 5 b", ["b.topo", "below/"]),
      ("bench b.topo x", []),
      ("oracle ", ["query", "watch"]), ("oracle query ", ["friday", "monday"]), ("oracle query --report b", ["below/"]),
      ("--socket bench li", ["list"]), ("exec a", ["a$HOME", "alice"]), ("exec alice ", ["--"]),
      ("exec alice -- ropes-no-s", ["ropes-no-such-but-here"]),
      ("exec alice -- ls oth", ["other.txt"]), ("help be", ["bench"]), ("completions ", ["bash", "fish", "zsh"]),
      ("down --a", ["--all"]),
      ("simulate 1 2 --seed 3 --sh", ["--share"]), ("bench up --dir", ["--direction"]), ("list --n", ["--names"]),
      ("list x", []),
    ])
  func `fish offers what can come next`(line: String, offered: [String]) throws {
    #expect(try fish(line) == offered)
  }

  @Test(
    .enabled(if: isInstalled("zsh"), "needs zsh"),
    arguments: [
      ("be", ["bench"]), ("bench --se", ["--seconds"]), ("bench --direction ", ["both", "down", "up"]),
      ("bench --direction=d", ["down"]), ("bench --seconds 5 b", ["b.topo", "below"]), ("oracle ", ["query", "watch"]),
      ("oracle query m", ["monday"]), ("oracle query --report b", ["below"]), ("exec a", [#"a\$HOME"#, "alice"]),
      ("help be", ["bench"]), ("completions ", ["bash", "fish", "zsh"]), ("down --a", ["--all"]),
      ("--socket x li", ["list"]),
      ("exec alice -- ropes-no-s", ["ropes-no-such-but-here"]), ("exec alice -- ls oth", ["other.txt"]),
      ("exec alice --he", ["--help"]), ("-", ["--help", "--socket", "--version", "-h"]), ("exec alice ", ["--"]),
      ("bench b.topo b", []),
    ])
  func `zsh offers what can come next, quoted where it must be`(line: String, offered: [String]) throws {
    #expect(try zsh(line) == offered)
  }
}
