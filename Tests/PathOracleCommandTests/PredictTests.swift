import Testing

@Suite struct `path-oracle predict` {
  let fibre = "fibre:30mbit:10ms"
  let lte = "lte:8mbit:30ms:5ms"

  @Test func `answers with the buffer, the delay and the loss of every path, for people`() {
    let answer = predict("--path", fibre, "--path", lte)
    #expect(answer.code == 0 && answer.complaint.isEmpty)
    #expect(row("lte", answer) == ["lte", "8mbit", "21.1", "%", "30ms", "±", "5ms"])
    // 30 Mbit/s are 2,679 parts a second. They wait 20 ms, by which the delays differ, less the 0.7 ms that the slow
    // path's last part before them has been on its way already, on average.
    let parts = row("buffer, parts", answer)
    #expect(abs((Double(parts[2]) ?? 0) - 51.7) < 0.5)
    #expect(Int(parts[3]) ?? 0 > 70 && Int(parts[4]) ?? 0 > Int(parts[3]) ?? 0)
    #expect(row("in-order latency", answer)[2].hasPrefix("29.") || row("in-order latency", answer)[2].hasPrefix("30"))
    // Without a buffer all parts of the slow path are lost, and with the last size of the table none.
    #expect(row("0 parts", answer).suffix(2) == ["100", "%"])
    #expect(answer.output.contains("to lose at most"))
  }

  @Test func `answers with one JSON object of one line, with units in its keys`() {
    let answer = predict("--path", fibre, "--path", lte, "--json")
    #expect(answer.code == 0 && answer.output.filter { $0 == "\n" }.count == 1)
    #expect(answer.output.hasPrefix(#"{"part_bytes":1400,"delays":"wandering","slot_ms":"#))
    #expect(answer.output.contains(#""paths":[{"name":"fibre","rate_bps":30000000,"share":0.78"#))
    for key in [
      "parts_per_second", "mean_parts", "p99_parts", "p999_bytes", "mean_ms", "p99_ms", "buffer_bytes", "sufficient",
    ] {
      #expect(answer.output.contains("\"\(key)\":"), "\(key)")
    }
    #expect(answer.output.contains(#""loss":[{"buffer_parts":0,"buffer_bytes":0,"loss":0.21"#))
    #expect(answer.output.filter { $0 == "{" }.count == answer.output.filter { $0 == "}" }.count)
  }

  @Test func `takes measured delays from a file`() {
    Files.with("# from ping\n\n30 900\n 40.5\t100 # rare\r\n30 100\n") { file in
      let answer = predict("--path", fibre, "--path", "lte:8mbit", "--histogram", "lte=\(file)")
      #expect(answer.complaint.isEmpty)
      #expect(answer.output.contains("30 ms to 40.5 ms, measured 1100 times"))
      // By hand: 20 ms or 30.5 ms, less 0.7 ms, of the fast path's 2,679 parts a second.
      let mean = 2_679 * (1_000 * 0.0193 + 100 * 0.0298) / 1_100
      #expect(abs((Double(row("buffer, parts", answer)[2]) ?? 0) - mean) < 0.5)
    }
  }

  @Test func `delays that overtake each other on their path need a larger buffer`() {
    let sizes = ["wandering", "ordered", "independent"].map {
      Double(row("buffer, parts", predict("--path", fibre, "--path", lte, "--delays", $0))[2]) ?? 0
    }
    #expect(sizes[0] < sizes[1] && sizes[1] < sizes[2])
  }

  @Test func `larger parts are fewer, and fill the same memory`() {
    let small = row("buffer, parts", predict("--path", fibre, "--path", "lte:8mbit:30ms", "--part-size", "140b"))
    let large = row("buffer, parts", predict("--path", fibre, "--path", "lte:8mbit:30ms"))
    #expect(abs((Double(small[2]) ?? 0) / (Double(large[2]) ?? 1) - 10) < 0.5)
    #expect(abs((Double(small[4]) ?? 0) / (Double(large[4]) ?? 1) - 10) < 0.5)
  }

  @Test(arguments: [
    ([], "predict: nothing gets out of order on fewer than two paths; give two or more --path"),
    (["--path", "a:1mbit:1ms"], "predict: nothing gets out of order on fewer than two paths; give two or more --path"),
    (["--path", "fibre"], "--path fibre: not NAME:RATE[:DELAY[:JITTER]], as in lte:80mbit:30ms:5ms"),
    (
      ["--path", "a:1mbit:1ms:1ms:1ms"],
      "--path a:1mbit:1ms:1ms:1ms: not NAME:RATE[:DELAY[:JITTER]], as in lte:80mbit:30ms:5ms"
    ),
    (
      ["--path", "LTE:1mbit:1ms"],
      "--path LTE:1mbit:1ms: a name is made of small letters, digits and dashes, at most 32, not 'LTE'"
    ),
    (
      ["--path", "a:300:1ms"],
      "--path a:300:1ms: '300' has no unit; write kbit, mbit or gbit, as in 300mbit"
    ),
    (
      ["--path", "a:1mbit:30"],
      "--path a:1mbit:30: '30' has no unit; write us, ms or s, as in 30ms"
    ),
    (["--path", "a:1mbit:90s"], "--path a:1mbit:90s: 90s is too long; at most 60s"),
    (
      ["--path", "a:1mbit:1ms", "--path", "a:2mbit:1ms"],
      "--path a:2mbit:1ms: there is a path 'a' already; give this one another name"
    ),
    (
      ["--path", "a:1mbit:1ms", "--path", "b:2mbit"],
      "path 'b' has no delay; write --path b:2mbit:DELAY, as in 30ms, or give a --histogram"
    ),
    (["--histogram", "lte.txt"], "--histogram lte.txt: not NAME=FILE, as in lte=lte.txt"),
    (
      ["--path", "lte:1mbit", "--histogram", "let=x"],
      "--histogram let=x: no path is called 'let'; did you mean 'lte'?"
    ),
    (
      ["--path", "fibre:1mbit", "--histogram", "sat=x"],
      "--histogram sat=x: no path is called 'sat'; its rate is missing, give it as --path sat:RATE"
    ),
    (
      ["--path", "a:1mbit:1ms", "--histogram", "a=x"],
      "--histogram a=x: path 'a' has a delay already; leave one of the two out"
    ),
    (
      ["--path", "a:1gbit:1ms", "--path", "b:100kbit:1ms"],
      "path 'b' has less than 0.073 % of the rate of all; leave it out, it would only hold the others up"
    ),
    (
      ["--path", "a:10gbit:1ms", "--path", "b:1gbit:320ms"],
      "predict: the delays differ by 313304 parts of 1400b, and 32768 can be computed; give --part-size 14kib or more"
    ),
    (
      ["--part-size", "3"],
      "path-oracle predict: --part-size must be a size from 64b to 1mib, not '3'"
    ),
  ])
  func `a wrong call gets one sentence that says what would be right`(arguments: [String], sentence: String) {
    let answer = predict(arguments)
    #expect(answer.code == 64)
    #expect(answer.output.isEmpty)
    #expect(answer.complaint == sentence)
  }

  @Test func `what would take minutes is refused at once`() {
    let answer = predict(
      ["a:282mbit:21ms:5ms", "b:399mbit:29ms:12ms", "c:317mbit:1ms", "d:78mbit:48ms:6ms"].flatMap { ["--path", $0] }
        + ["--delays", "ordered"])
    #expect(answer.code == 64)
    #expect(
      answer.complaint == "predict: this would take too long to compute; "
        + "give fewer paths, or larger parts: --part-size 2800b")
  }

  @Test func `nine paths are one too many`() {
    let answer = predict((1...9).flatMap { ["--path", "p\($0):10mbit:10ms"] })
    #expect(answer.code == 64)
    #expect(answer.complaint == "predict: 9 paths; at most 8 can be computed")
  }

  @Test(arguments: [
    ("30", "1:1: a line has two numbers, milliseconds and a count, not one"),
    ("30 1\n31 2 3\n", "2:6: a line has two numbers, milliseconds and a count, not more"),
    ("30 1\nabc 2", "2:1: 'abc' is no number of milliseconds; write it as in 27.5"),
    ("-1 2", "1:1: '-1' is no number of milliseconds; write it as in 27.5"),
    ("1e3 2", "1:1: '1e3' is no number of milliseconds; write it as in 27.5"),
    ("30 1.5", "1:4: '1.5' is no count; write a whole number, at most a million millions"),
    ("30 -1", "1:4: '-1' is no count; write a whole number, at most a million millions"),
    (
      "30 99999999999999999999",
      "1:4: '99999999999999999999' is no count; write a whole number, at most a million millions"
    ),
    ("90000 1", "1:1: 90000ms is too long; at most 60s"),
    ("\u{0}\u{1} 1", "1:1: '??' is no number of milliseconds; write it as in 27.5"),
  ])
  func `a broken histogram is refused with the place of the mistake`(content: String, sentence: String) {
    Files.with(content) { file in
      let answer = predict("--path", fibre, "--path", "lte:8mbit", "--histogram", "lte=\(file)")
      #expect(answer.code == 64)
      #expect(answer.complaint == "\(file):\(sentence)")
    }
  }

  @Test(arguments: ["", "# nothing\n", "30 0\n"])
  func `a histogram that counts nothing is refused`(content: String) {
    Files.with(content) { file in
      let answer = predict("--path", fibre, "--path", "lte:8mbit", "--histogram", "lte=\(file)")
      #expect(answer.code == 64)
      #expect(answer.complaint.contains("no delay was counted"))
    }
  }

  @Test func `a file that is not there is another failure than a wrong call`() {
    let missing = predict("--path", fibre, "--path", "lte:8mbit", "--histogram", "lte=/nonexistent/lte.txt")
    #expect(missing.code == 2)
    #expect(missing.complaint == "cannot open '/nonexistent/lte.txt': No such file or directory")
    let unwritable = predict("--path", fibre, "--path", "lte:8mbit:30ms", "--svg", "/nonexistent/loss.svg")
    #expect(unwritable.code == 2)
    #expect(unwritable.complaint == "cannot write '/nonexistent/loss.svg': No such file or directory")
  }

  @Test func `draws the loss for every size of buffer, for light pages and dark ones`() {
    Files.with("") { file in
      let answer = predict("--path", fibre, "--path", lte, "--svg", file)
      #expect(answer.code == 0)
      let picture = Files.text(file)
      #expect(picture.hasPrefix("<svg ") && picture.hasSuffix("</svg>\n"))
      #expect(picture.contains("<polyline") && picture.contains("prefers-color-scheme: dark"))
      #expect(picture.contains(">0.1 %: "))
      #expect(!picture.contains("nan") && !picture.contains("inf"))
    }
  }

  @Test func `draws words where nothing is ever lost`() {
    Files.with("") { file in
      #expect(predict("--path", "a:10mbit:5ms", "--path", "b:10mbit:5ms", "--svg", file).code == 0)
      let picture = Files.text(file)
      #expect(picture.contains("nothing is lost") && !picture.contains("<polyline"))
    }
  }

  @Test func `says what it can do, as every program of the house does`() {
    #expect(PathOracle.run(["--version"]).output.hasPrefix("path-oracle "))
    #expect(PathOracle.run(["predict", "--help"]).output.contains("--histogram NAME=FILE"))
    let misspelt = PathOracle.run(["predcit"])
    #expect(misspelt.code == 64)
    #expect(misspelt.complaint.contains("did you mean 'predict'?"))
  }
}

private func predict(_ arguments: String...) -> Answer { predict(arguments) }
private func predict(_ arguments: [String]) -> Answer { PathOracle.run(["predict"] + arguments) }

/// The words of the first row that begins so.
private func row(_ label: String, _ answer: Answer) -> [String] {
  let line = answer.output.split(separator: "\n").first { $0.drop { $0 == " " }.hasPrefix(label) } ?? ""
  return line.split(separator: " ").map(String.init)
}
