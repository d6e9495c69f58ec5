//  Shells.swift — asks real shells what they would offer at the press of the key, in a folder made for it.

import Commands
import Glibc
import Testing

/// Runs a line in sh; both halves of the answer.
func run(_ line: String) -> (status: Int32, output: String) {
  guard let pipe = popen(line, "r") else { return (-1, "") }
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { output += buffer[..<count] }
  return (pclose(pipe), String(decoding: output, as: UTF8.self))
}

func isInstalled(_ program: String) -> Bool { run("command -v \(program) >/dev/null").status == 0 }

func write(_ text: String, to path: String) throws {
  let file = try #require(fopen(path, "w"))
  defer { fclose(file) }
  fputs(text, file)
}

/// A folder with the specimen's completions, a program of its name that answers `list --names`, and a place to stand
/// in with a topology, another file and a directory. It is gone afterwards.
func withScript<R>(_ shell: Shell, _ body: (_ script: String, _ folder: String) throws -> R) throws -> R {
  var template = Array("/tmp/commands-test-XXXXXX".utf8CString)
  let folder = String(cString: try #require(mkdtemp(&template)))
  defer { _ = run("rm -rf \(folder)") }
  #expect(
    run("mkdir -p \(folder)/bin \(folder)/here/below && touch \(folder)/here/b.topo \(folder)/here/other.txt").status
      == 0)
  let answer = #"[ "$*" = "list --names" ] && printf '%s\n' alice bob 'a$HOME'"#
  try write("#!/bin/sh\n\(answer)\n", to: "\(folder)/bin/ropes")
  try write("#!/bin/sh\n", to: "\(folder)/bin/ropes-no-such-but-here")
  #expect(run("chmod +x \(folder)/bin/*").status == 0)
  let script = "\(folder)/ropes.\(shell.rawValue)"
  try write(Specimen.program.completions(for: shell) + "\n", to: script)
  return try body(script, folder)
}

/// COMPREPLY after these words, of which the last is the one at the cursor.
func bash(_ words: [String]) throws -> [String] {
  try withScript(.bash) { script, folder in
    let quoted = (["ropes"] + words).map { "'\($0)'" }.joined(separator: " ")
    let driver = "\(folder)/driver"
    try write(
      """
      set -u
      cd \(folder)/here
      PATH=\(folder)/bin:$PATH
      source \(script)
      COMP_WORDS=(\(quoted))
      COMP_CWORD=\(words.count)
      _ropes
      for word in "${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done
      """, to: driver)
    let answer = run("bash --norc --noprofile \(driver) 2>&1")
    #expect(answer.status == 0)
    return lines(answer.output)
  }
}

/// What `complete` says for a line, in fish's order of the alphabet.
func fish(_ line: String) throws -> [String] {
  try withScript(.fish) { script, folder in
    let commands = "source \(script); cd \(folder)/here; complete -C \"ropes \(line)\""
    let answer = run("HOME=\(folder) PATH=\(folder)/bin:$PATH fish --no-config -c '\(commands)' 2>&1")
    #expect(answer.status == 0)
    return lines(answer.output).map { String($0.prefix { $0 != "\t" }) }.sorted()
  }
}

/// What an interactive zsh hands to its completion list: its `compadd` is wrapped to write the matches down.
func zsh(_ line: String) throws -> [String] {
  try withScript(.zsh) { script, folder in
    try write(
      """
      PS1=READY
      PATH=\(folder)/bin:$PATH
      cd \(folder)/here
      autoload -Uz compinit
      compinit -u -D
      source \(script)
      compadd() {
        local -a matches
        if [[ " ${@[1,(i)(-|--)]} " == *" -"(O|A|D)" "* ]]; then
          builtin compadd "$@"
          return
        fi
        builtin compadd -A matches "$@"
        (( $#matches )) && print -rl -- "${(@)matches}" >> \(folder)/matches
        builtin compadd "$@"
      }
      """, to: "\(folder)/setup")
    try write(
      """
      zmodload zsh/zpty
      zpty shell 'exec zsh -f -i'
      zpty -w shell 'source \(folder)/setup'
      zpty -r shell seen '*READY'
      zpty -w -n shell $'ropes \(line)\\t'$'\\x15exit\\n'
      while zpty -r shell seen; do :; done
      """, to: "\(folder)/driver")
    let answer = run("TERM=dumb HOME=\(folder) timeout 60 zsh -f \(folder)/driver 2>&1")
    #expect(answer.status == 0, "\(answer.output)")
    let offered = lines(run("cat \(folder)/matches 2>/dev/null").output)
    return Set(offered).sorted()
  }
}

private func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }
