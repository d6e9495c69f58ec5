//  Asking.swift — status, peers, paths and reload: asks a running gateway over its control socket and prints what it
//  says.

import Commands
import Configuration
import Control
import Glibc
import Status

extension Hawser {
  static func ask(_ page: String, _ invocation: Invocation) throws(Refusal) -> Int32 {
    let answer: ControlAnswer
    do throws(ControlFailure) {
      let socket = try socket(of: invocation)
      answer = try ControlClient.get(page, at: socket, asText: !invocation[Words.json])
    } catch {
      throw Refusal("hawser: \(error)", exitCode: 2)
    }
    guard answer.status == 200, let verdict = answer.verdict else {
      throw Refusal(invocation[Words.json] ? answer.body : "hawser: \(answer.body)", exitCode: 2)
    }
    Output.write(answer.body)
    return verdict.exitCode
  }

  static func reload(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let answer: ControlAnswer
    do throws(ControlFailure) {
      answer = try ControlClient.post("/v1/reload", at: socket(of: invocation), asText: !invocation[Words.json])
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
  private static func socket(of invocation: Invocation) throws(ControlFailure) -> String {
    if let path = invocation[Words.socket] { return path }
    if let interface = invocation[Words.interface] { return GatewayConfiguration.defaultSocket(of: interface) }
    if let path = getenv("HAWSER_SOCKET"), path.pointee != 0 { return String(cString: path) }
    return try ControlClient.onlySocket(in: GatewayConfiguration.socketDirectory)
  }
}
