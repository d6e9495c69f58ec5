//  Measuring.swift — the commands that measure: bench, matrix, demo.
//
//  With --json, standard output carries one JSON value and nothing else; the table that grows while one waits goes to
//  standard error then, so that a pipe gets what a program can read and a person still sees that something happens.

import Commands
import Glibc
import Lab
import Topology

extension Netlab {
  static func bench(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let path = invocation[Words.file]
    let topology = try Files.topology(path)
    let isJSON = invocation[Words.json]
    let setting = setting(source: path, isJSON: isJSON, isQuiet: isJSON)
    let result = try lab { () throws(LabError) in
      try Bench.run(topology, options: options(invocation), setting: setting)
    }
    return !isJSON || Output.write(result.json()) ? 0 : 1
  }

  static func matrix(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let directory = invocation[Words.profiles]
    let isJSON = invocation[Words.json]
    let setting = setting(source: directory, isJSON: isJSON, isQuiet: true)
    let outcome = try lab { () throws(LabError) in
      try Matrix.run(
        directory: directory, options: options(invocation), report: invocation[Words.report], setting: setting)
    }
    if isJSON && !Output.write(outcome.json) { return 1 }
    return outcome.exitCode
  }

  static func demo(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let file = "topologies/two-equal.topo"
    _ = try Files.topology(file)
    try lab { () throws(LabError) in
      try Demo.run(
        file: file, directory: invocation[Words.demoReport],
        setting: setting(source: file, isJSON: false, isQuiet: false))
    }
    return 0
  }

  private static func options(_ invocation: Invocation) -> BenchOptions {
    var options = BenchOptions()
    options.flows = invocation[Words.flows]
    options.seconds = invocation[Words.seconds]
    options.direction = invocation[Words.direction]
    options.congestionControl = invocation[Words.congestionControl]
    options.against = invocation[Words.against]
    return options
  }

  private static func setting(source: String, isJSON: Bool, isQuiet: Bool) -> Bench.Setting {
    Bench.Setting(source: source, progress: Progress(isQuiet: isQuiet)) { Output.raw($0, isJSON: isJSON) }
  }
}
