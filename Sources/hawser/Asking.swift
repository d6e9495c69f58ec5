//  Asking.swift — status, peers, paths, flows, rules, why and reload: asks a running gateway over its control socket
//  and prints what it says.

import Commands
import Configuration
import Control
import Glibc
import Status

extension Hawser {
  static func ask(
    _ page: String, _ invocation: Invocation, _ query: [(name: String, value: String)] = []
  ) throws(Refusal) -> Int32 {
    try ask(page, query, invocation[Words.interface], invocation)
  }

  private static func ask(
    _ page: String, _ query: [(name: String, value: String)], _ interface: String?, _ invocation: Invocation
  ) throws(Refusal) -> Int32 {
    let asJSON = invocation[Words.json]
    let answer: ControlAnswer
    do throws(ControlFailure) {
      let socket = try socket(invocation[Words.socket], interface)
      answer = try ControlClient.get(page, query, at: socket, asText: !asJSON)
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    guard let verdict = answer.verdict, answer.status == 200 else {
      throw Refusal(asJSON ? answer.body : "hawser: \(answer.body)", exitCode: 2)
    }
    Output.write(!asJSON && wantsColour ? Palette.painted(answer.body) : answer.body)
    return verdict.exitCode
  }

  /// What is no flow is a path: no path's name is an address.
  static func why(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let words = invocation[Words.what].joined(separator: " ")
    let kind = FlowPattern(words) == nil ? "path" : "flow"
    return try ask("/v1/why", [(kind, words)], invocation[Words.flowInterface], invocation)
  }

  static func reload(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let answer: ControlAnswer
    do throws(ControlFailure) {
      let socket = try socket(invocation[Words.socket], invocation[Words.interface])
      answer = try ControlClient.post("/v1/reload", at: socket, asText: !invocation[Words.json])
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    guard answer.status == 200 || invocation[Words.json] else {
      var text = answer.body
      if text.hasSuffix("\n") { text.removeLast() }
      throw Refusal("\(text)\nhawser: nothing has changed", exitCode: 2)
    }
    Output.write(answer.body)
    return answer.status == 200 ? 0 : 2
  }

  /// What was said, then what the environment says (`netlab exec` does), or else the only one that runs here.
  static func socket(_ socket: String?, _ interface: String?) throws(ControlFailure) -> String {
    if let socket { return socket }
    if let interface { return GatewayConfiguration.defaultSocket(of: interface) }
    if let path = getenv("HAWSER_SOCKET"), path.pointee != 0 { return String(cString: path) }
    return try ControlClient.onlySocket(in: GatewayConfiguration.socketDirectory)
  }
}
