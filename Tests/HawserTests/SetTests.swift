//  SetTests.swift — the words of `hawser set`: what is a slip is told before any gateway is asked.

import Testing

@Suite struct `The words of hawser set` {
  @Test(arguments: [
    ("", "expected SECTION [NAME] KEY=VALUE..., or --list, or --back"),
    ("pth lte Tier=never", "unknown section [pth]; did you mean 'Path'?"),
    ("path lte Teir=never", "unknown key 'Teir' in [Path]; did you mean 'Tier'?"),
    ("PATH lte Quota=1GB", "unknown key 'Quota' in [Path]; it is called 'Budget' here"),
    ("path Tier=never", "[Path] has no name: expected [Path \"NAME\"]"),
    ("path lte", "nothing to set in [Path \"lte\"]: expected a key and its value"),
    ("path lte Tier=", "[Path \"lte\"]: Tier has no value: expected primary, secondary, backup or never"),
    ("path lte Tier=never tier=backup", "[Path \"lte\"]: Tier is given twice: expected it once"),
    ("path lte Tier never", "'Tier': expected KEY=VALUE; a value with blanks goes into quotes"),
    ("gateway branch MTU=1400", "[Gateway branch]: expected [Gateway], which has no name"),
    (
      "gateway PrivateKey=x",
      "PrivateKey cannot be set: others can see what is typed, and this is about a secret; write it to the file or a "
        + "drop-in, and run hawser reload"
    ),
    (
      "control Listen=0.0.0.0:1",
      "[Control] cannot be set: write it to the file or a drop-in, and run hawser reload"
    ),
    ("--list path", "--list shows all of them: expected no word behind it"),
    ("--back pth", "unknown section [pth]; did you mean 'Path'?"),
    ("--back path lte Teir", "unknown key 'Teir' in [Path]; did you mean 'Tier'?"),
    ("--back path lte Tier x", "'x' is one word too many: expected --back SECTION NAME KEY"),
    ("--back gateway MTU x", "'x' is one word too many: expected --back SECTION KEY"),
  ])
  func `are wrong usage in one sentence`(words: String, sentence: String) {
    let answer = run("set \(words) --socket /nonexistent/g.sock")
    #expect(answer.status == 64 && answer.output == "hawser set: \(sentence)\n", "\(answer.output)")
    #expect(run("set \(words) 2>/dev/null").output.isEmpty)
  }

  @Test func `exclude each other where only one can be meant`() {
    #expect(run("set --list --back").status == 64)
  }

  @Test(arguments: ["path lte Tier=never", "gateway MTU=1400", "--list", "--back", "--back gateway MTU"])
  func `are right, and no gateway runs`(words: String) {
    let answer = run("set \(words) --socket /nonexistent/g.sock")
    #expect(answer.status == 2 && answer.output.contains("nobody listens on /nonexistent/g.sock"), "\(answer.output)")
    #expect(run("set \(words) --interface nosuch0").output.contains("/run/hawser/nosuch0.sock"))
  }

  @Test func `are offered by the shells, sections among them`() {
    #expect(run("completions bash").output.contains("oracle class rule"))
    #expect(run("completions fish").output.contains("--list") || run("completions fish").output.contains("-l list"))
  }
}
