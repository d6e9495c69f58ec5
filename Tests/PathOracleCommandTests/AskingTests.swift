import Foundation
import JSON
import Testing

@Suite(.serialized) struct `path-oracle query, map and watch` {
  @Test func `query shows the best paths and why, for people and for programs`() throws {
    let oracle = try RunningOracle()
    try oracle.reportAll()
    let words = ["query", "--from", "branch", "--to", "hq", "-k", "1", "--objective", "latency", "--oracle"]
    let answer = PathOracle.run(words + [oracle.address])
    #expect(answer.code == 0 && answer.complaint.isEmpty)
    let lines = answer.output.split(separator: "\n")
    #expect(lines.first == "branch → hq for latency: 1 path of 3, chosen by model")
    #expect(lines.dropFirst().first?.contains("why") == true)
    let row = try #require(lines.first { $0.hasPrefix("1 ") }).split(separator: " ")
    #expect(row.prefix(4) == ["1", "west", "40", "ms"])
    #expect(answer.output.contains("lands first, 60 ms before the direct path"))
    let document = try JSONValue(reading: PathOracle.run(words + [oracle.address, "--json"]).output)
    #expect(document["paths"]?.array?.first?["via"]?.string == "west")
    #expect(document["paths"]?.array?.first?["delay_us"]?.number == 40_000)
  }

  @Test func `query offers what an oracle knows`() throws {
    let oracle = try RunningOracle()
    try oracle.reportAll()
    let words = ["query", "--from", "branch", "--to", "hq", "--oracle", oracle.address]
    for strategy in ["model", "random-k", "last-good", "race-3", "cheapest"] {
      let answer = PathOracle.run(words + ["--strategy", strategy])
      #expect(answer.code == 0 && answer.output.contains("chosen by \(strategy)"), "\(answer)")
    }
    for objective in ["throughput", "latency", "resilience", "cost"] {
      let answer = PathOracle.run(words + ["--objective", objective])
      #expect(answer.code == 0 && answer.output.hasPrefix("branch → hq for \(objective): "), "\(answer)")
    }
    let unknown = PathOracle.run(["query", "--from", "branch", "--to", "hw", "--oracle", oracle.address])
    #expect(
      unknown.code == 2 && unknown.complaint.hasPrefix("the oracle refuses: ") && unknown.complaint.contains("hw"))
  }

  @Test func `query says that there is no path, and why, with an exit code that a script sees`() throws {
    let oracle = try RunningOracle()
    let answer = PathOracle.run(["query", "--from", "branch", "--to", "hq", "--oracle", oracle.address])
    #expect(answer.code == 2 && answer.complaint.isEmpty)
    #expect(answer.output.contains("no path") && answer.output.contains("3 unmeasured"))
    try oracle.reportAll()
    let limited = PathOracle.run([
      "query", "--from", "branch", "--to", "hq", "--max-delay", "30ms", "--oracle", oracle.address,
    ])
    #expect(limited.code == 2 && limited.output.contains("3 too slow"))
    let lossy = PathOracle.run([
      "query", "--from", "branch", "--to", "hq", "--max-loss", "0.5%", "--oracle", oracle.address, "-k4",
    ])
    #expect(lossy.code == 0 && lossy.output.contains("1 too lossy") && !lossy.output.contains("direct"))
  }

  @Test func `query asks any ALTO server for what it knows`() throws {
    let oracle = try RunningOracle()
    try oracle.reportAll()
    let words = ["query", "--from", "10.1.2.3", "--to", "hq", "--objective", "latency", "-k", "3"]
    let answer = PathOracle.run(words + ["--alto", oracle.address + "/alto/"])
    #expect(answer.code == 0 && answer.complaint.isEmpty)
    let rows = answer.output.split(separator: "\n").dropFirst().filter { $0.first?.isNumber == true }
    #expect(rows.map { $0.split(separator: " ")[1] } == ["west", "east", "direct"])
    #expect(answer.output.contains("not known"))
    let json = try JSONValue(
      reading: PathOracle.run(words + ["--alto", oracle.address + "/alto/", "--json"]).output)
    #expect(json["paths"]?.array?.map { $0["via"]?.string } == ["west", "east", nil])
    #expect(json["not_known"]?.array?.isEmpty == false)
  }

  @Test func `map shows the matrix, and draws it`() throws {
    let oracle = try RunningOracle()
    try oracle.reportAll()
    let answer = PathOracle.run(["map", "--oracle", oracle.address])
    #expect(answer.code == 0)
    let lines = answer.output.split(separator: "\n")
    #expect(lines[0].split(separator: " ") == ["branch", "hq", "east", "west"])
    #expect(lines[1].split(separator: " ").prefix(6) == ["branch", "-", "100", "/", "1", "*"])
    Files.with("") { file in
      let drawn = PathOracle.run(["map", "--svg", file, "--oracle", oracle.address])
      #expect(drawn.code == 0 && drawn.output.isEmpty)
      #expect(Files.text(file).contains("branch → hq: 100 ms, 1 % lost, 50 Mbit/s; over west 40 ms"))
    }
    let some = PathOracle.run(["map", "--node", "hq", "--node", "east", "--oracle", oracle.address])
    #expect(some.code == 0 && some.output.split(separator: "\n")[0].split(separator: " ") == ["hq", "east"])
    let unknown = PathOracle.run(["map", "--node", "hw", "--oracle", oracle.address])
    #expect(unknown.code == 2 && unknown.complaint == "the oracle knows no node 'hw'; did you mean 'hq'?")
    let document = try JSONValue(reading: PathOracle.run(["map", "--json", "--oracle", oracle.address]).output)
    #expect(document["edges"]?.array?.count == 5)
    let unwritable = PathOracle.run(["map", "--svg", "/nonexistent/map.svg", "--oracle", oracle.address])
    #expect(unwritable.code == 2)
    #expect(unwritable.complaint == "cannot write '/nonexistent/map.svg': No such file or directory")
  }

  @Test func `watch tells what changes as it happens`() throws {
    let oracle = try RunningOracle()
    try oracle.reportAll()
    let watch = try RunningProgram(["watch", "--oracle", oracle.address], readsComplaints: false)
    let json = try RunningProgram(
      ["watch", "--json", "--metric", "lossrate", "--metric", "delay-ow", "--oracle", oracle.address],
      readsComplaints: false)
    #expect(try watch.line(with: "tput").hasSuffix("5 costs"))
    #expect(try json.line(with: #""metric":"lossrate""#).hasSuffix(#""event":"whole","metric":"lossrate","costs":5}"#))
    try oracle.reportAll(directly: 30)
    #expect(try watch.line(with: "branch → hq").hasSuffix("delay-ow  branch → hq: 100 ms → 30 ms"))
    let line = try JSONValue(reading: json.line(with: #""event":"cost""#))
    #expect(line["from"]?.string == "branch" && line["to"]?.string == "hq" && line["metric"]?.string == "delay-ow")
    #expect(line["before_us"]?.number == 100_000 && line["after_us"]?.number == 30_000)
  }

  @Test func `an oracle that does not answer everybody wants a token`() throws {
    let oracle = try RunningOracle(knowsReaders: true)
    try oracle.reportAll()
    for words in [["map"], ["query", "--from", "branch", "--to", "hq"], ["watch"]] {
      let answer = PathOracle.run(words + ["--oracle", oracle.address])
      #expect(answer.code == 2 && answer.complaint.contains("token"), "\(words): \(answer)")
    }
    Files.with(RunningOracle.token("noc") + "\n") { file in
      #expect(PathOracle.run(["map", "--oracle", oracle.address, "--token-file", file]).code == 0)
    }
    Files.with("two words\n") { file in
      let answer = PathOracle.run(["map", "--oracle", oracle.address, "--token-file", file])
      #expect(answer.code == 64)
      #expect(answer.complaint == "\(file): a token is one line of letters, digits and signs, without blanks")
    }
  }

  @Test(
    arguments: [
      (["map", "--oracle", "http://127.0.0.1:1"], 2, "nobody listens at 127.0.0.1:1"),
      (["watch", "--oracle", "http://127.0.0.1:1"], 2, "nobody listens at 127.0.0.1:1"),
      (["query", "--from", "a", "--to", "b", "--oracle", "http://127.0.0.1:1"], 2, "nobody listens at 127.0.0.1:1"),
      (
        ["query", "--from", "a", "--to", "b", "--alto", "http://127.0.0.1:1/", "--strategy", "model"], 64,
        "query: --strategy is for a path oracle; a server that --alto asks knows nothing of it"
      ),
      (
        ["query", "--from", "a", "--to", "b", "--alto", "http://127.0.0.1:1/", "--forbid-region", "eu"], 64,
        "query: --forbid-region is for a path oracle; a server that --alto asks knows nothing of it"
      ),
    ] as [([String], Int32, String)])
  func `what cannot be asked is told in one sentence`(words: [String], code: Int32, sentence: String) {
    let answer = PathOracle.run(words)
    #expect(answer.code == code && answer.complaint == sentence && answer.output.isEmpty)
  }

  @Test(arguments: [
    ["query", "--from", "a", "--to", "b", "--oracle", "localhost:8460"], ["map", "--oracle", "http://u:p@host/"],
    ["query", "--from", "a", "--to", "b", "-k", "5"], ["query", "--from", "a", "--to", "b", "-k", "0"],
    ["query", "--to", "b"], ["query", "--from", "", "--to", "b"],
    ["query", "--from", "a", "--to", "b", "--max-delay", "45"],
    ["query", "--from", "a", "--to", "b", "--max-loss", "101%"],
    ["query", "--from", "a", "--to", "b", "--max-price", "-1"],
    ["query", "--from", "a", "--to", "b", "--oracle", "http://a/", "--alto", "http://b/"],
    ["map", "--oracle", "ftp://a/"], ["watch", "--metric", ""],
  ])
  func `a wrong call is told before anybody is asked`(words: [String]) {
    let answer = PathOracle.run(words)
    #expect(answer.code == 64 && !answer.complaint.isEmpty && answer.output.isEmpty, "\(answer)")
  }
}
