//  SettingsTests.swift — /v1/settings, by every door: what may be set, by whom, and what is refused before a gateway is
//  asked.

import Configuration
import Foundation
import HTTP
import Primitives
import Synchronization
import Testing

@testable import Control

@Suite struct `Changing a running gateway over its API` {
  private static let json = "-H 'Content-Type: application/json'"

  private func patch(_ gateway: Standing, _ body: String, _ options: String = json) -> (status: String, body: String) {
    gateway.curlWithStatus("/v1/settings", "-X PATCH \(options) -d '\(body)'")
  }

  @Test func `what is set is told, listed, and taken back`() throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    let set = patch(
      gateway,
      #"{"settings":[{"section":"path","name":"lte","values":{"tier":"backup","Weight":3}},"#
        + #"{"section":"Gateway","name":null,"values":{"MTU":"1400"}}]}"#)
    #expect(set.status == "200")
    let answer = try object(set.body)
    #expect(answer["applied"] as? Bool == true && (answer["changes"] as? [String])?.count == 3)
    #expect(answer["lasts"] as? String == "until the next reload or restart")
    let keep = try #require(answer["keep"] as? [String: Any])
    #expect(keep["file"] as? String == "/etc/x.conf.d/90-set.conf")
    #expect(
      keep["lines"] as? [String] == ["[Path \"lte\"]", "Tier = backup", "Weight = 3", "[Gateway]", "MTU = 1400"])

    let settings = try #require(try object(gateway.curl("/v1/settings"))["settings"] as? [[String: Any]])
    #expect(settings.map { $0["key"] as? String } == ["Tier", "Weight", "MTU"])
    #expect(settings[0]["section"] as? String == "Path" && settings[0]["name"] as? String == "lte")
    #expect(settings[0]["who"] as? String == "the control socket" && settings[2]["name"] is NSNull)
    let text = try ControlClient.get("/v1/settings", at: gateway.path, asText: true).body
    #expect(
      text.hasPrefix("# set until the next reload or restart\n[Path \"lte\"]\nTier = backup  # by the control socket"))

    #expect(gateway.curlWithStatus("'/v1/settings?section=path&name=lte&key=TIER'", "-X DELETE").status == "200")
    #expect(laid.keys == ["Weight", "MTU"])
    let whole = gateway.curlWithStatus("/v1/settings", "-X DELETE")
    #expect(try object(whole.body)["keep"] == nil && whole.status == "200")
    #expect(laid.keys.isEmpty)
    #expect(try ControlClient.get("/v1/settings", at: gateway.path, asText: true).body.hasPrefix("# nothing is set"))
  }

  @Test func `the list as text is a drop-in that says the same`() throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    laid.set("Class", "calls", "Treatment", "realtime")
    laid.set("Rule", "r", "Class", "calls")
    laid.set("Rule", "r", "Protocol", "udp")
    let text = try ControlClient.get("/v1/settings", at: gateway.path, asText: true).body
    let base = """
      [Gateway]
      PrivateKeyFile = k
      [Path "lte"]
      Interface = wwan0
      [Peer "hq"]
      PublicKey = 3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=
      Endpoint = 192.0.2.1:1
      AllowedIPs = 10.1.0.0/16
      """
    func read(_ texts: ConfigurationText...) throws -> GatewayConfiguration {
      try ConfigurationFile(reading: [ConfigurationText(Array(base.utf8), named: "a")] + texts).gateway
    }
    let kept = try read(ConfigurationText(Array(text.utf8), named: "90-set.conf"))
    #expect(try kept == read(laid.overlay.text) && kept.rules.count == 1, "\(text)")
  }

  @Test func `what is refused by the gateway changes nothing, and says all of why`() throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    let refused = patch(
      gateway, #"{"settings":[{"section":"Path","name":"lte","values":{"Tier":"never","Teir":"x","Quota":"1"}}]}"#)
    #expect(refused.status == "422")
    let answer = try object(refused.body)
    #expect(answer["applied"] as? Bool == false && answer["lasts"] == nil)
    #expect(
      answer["mistakes"] as? [String] == [
        "unknown key 'Teir' in [Path]; did you mean 'Tier'?",
        "unknown key 'Quota' in [Path]; it is called 'Budget' here",
      ])
    #expect(laid.keys.isEmpty)
  }

  @Test(arguments: [
    ("{", "400", "this is no JSON: line 1, column 2: the text ends in the middle of a value"),
    ("[]", "400", "the body: expected an object with settings"),
    (#"{"setings":[]}"#, "400", "the body: unknown member 'setings'; did you mean 'settings'?"),
    (#"{"settings":{}}"#, "400", "settings: expected an array of objects"),
    (#"{"settings":[]}"#, "400", "settings: expected at least one; DELETE takes settings back"),
    (#"{"settings":[1]}"#, "400", "settings[0]: expected an object with section, name, values"),
    (
      #"{"settings":[{"section":"Path","value":{}}]}"#, "400",
      "settings[0]: unknown member 'value'; did you mean 'values'?"
    ),
    (#"{"settings":[{"values":{}}]}"#, "400", "settings[0].section: expected the name of a section, such as \"Path\""),
    (#"{"settings":[{"section":"Path","name":7,"values":{}}]}"#, "400", "settings[0].name: expected the name of a"),
    (#"{"settings":[{"section":"Path","name":"x"}]}"#, "400", "settings[0].values: expected an object of keys"),
    (
      #"{"settings":[{"section":"Path","name":"x","values":{"Tier":null}}]}"#, "400",
      "settings[0].values.Tier: expected a string"
    ),
    (
      #"{"settings":[{"section":"Path","name":"x","values":{"Tier":"a","Tier":"b"}}]}"#, "400",
      "the object has this name already"
    ),
    ("[[[[[[[[[[]]]]]]]]]]", "400", "nested too deep"),
  ])
  func `a body that says something else is refused in a sentence`(body: String, status: String, told: String) throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    let answer = patch(gateway, body)
    #expect(answer.status == status)
    let sentence = try #require(try object(answer.body)["error"] as? String)
    #expect(sentence.contains(told), "\(sentence)")
    #expect(laid.asked == 0)
  }

  @Test func `what is no JSON, too long, or no body at all is refused before it is read`() throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    let right = #"{"settings":[{"section":"Path","name":"lte","values":{"Tier":"never"}}]}"#
    for type in ["", "-H 'Content-Type: text/plain'", "-H 'Content-Type: application/merge-patch+json'"] {
      #expect(patch(gateway, right, type).status == "415", "\(type)")
    }
    #expect(patch(gateway, right, "-H 'Content-Type: Application/JSON; charset=utf-8'").status == "200")
    let blanks = String(repeating: " ", count: SettingsBody.mostBytes)
    #expect(patch(gateway, right + blanks).status == "413")
    // In pieces, without saying how long.
    #expect(patch(gateway, right + blanks, Self.json + " -H 'Transfer-Encoding: chunked'").status == "413")
    #expect(gateway.curlWithStatus("/v1/settings", "-X PATCH \(Self.json)").status == "400")
    // Nothing else has a body.
    for method in ["GET", "DELETE"] {
      #expect(gateway.curlWithStatus("/v1/settings", "-X \(method) \(Self.json) -d '{}'").status == "413")
    }
    #expect(gateway.curlWithStatus("/v1/reload", "-X POST \(Self.json) -d '{}'").status == "413")
    #expect(laid.asked == 1)
    let wrong = gateway.curlWithStatus("/v1/settings", "-X PUT")
    #expect(wrong.status == "405" && wrong.body.contains("PUT changes nothing here; use GET, PATCH, DELETE"))
  }

  @Test func `a parameter that nobody knows takes nothing back`() throws {
    let laid = Laid()
    laid.set("Path", "lte", "Tier", "never")
    let gateway = try Standing(actions: laid.actions)
    for (query, sentence) in [
      ("?sektion=Path", "there is no parameter of this name; did you mean 'section'?"),
      ("?section=Path&section=Rule", "section: expected it once"),
      ("?section=", "section: expected a value, or no such parameter"),
    ] {
      let answer = gateway.curlWithStatus("'/v1/settings\(query)'", "-X DELETE")
      #expect(answer.status == "400")
      #expect(try object(answer.body)["error"] as? String == sentence)
    }
    let alone = gateway.curlWithStatus("'/v1/settings?name=lte'", "-X DELETE")
    #expect(alone.status == "422" && laid.keys == ["Tier"])
    #expect(try object(alone.body)["mistakes"] as? [String] != nil)
  }

  @Test func `a gateway without a file has nothing to lay anything over`() throws {
    let gateway = try Standing()
    for method in ["GET", "DELETE", "PATCH"] {
      #expect(gateway.curlWithStatus("/v1/settings", "-X \(method)").status == "404")
    }
  }

  // MARK: Doors

  private func ask(_ url: String, _ options: String) -> (status: String, body: String) {
    let answer = shell("curl --silent --max-time 20 -w '%{http_code}' \(options) \(url)")
    return (String(answer.output.suffix(3)), String(answer.output.dropLast(3)))
  }

  @Test func `over TCP it wants the token, and who has changed it is told by his address`() throws {
    let laid = Laid()
    let gateway = try Standing(remote: try `Asking over TCP`.remote(), actions: laid.actions)
    let url = "http://\(gateway.remote[0])/v1/settings"
    let body = #"-d '{"settings":[{"section":"Path","name":"lte","values":{"Tier":"never"}}]}'"#
    for options in ["", "-H 'Authorization: Bearer x'"] {
      #expect(ask(url, "-X PATCH \(Self.json) \(options) \(body)").status == "401")
      #expect(ask(url, "-X DELETE \(options)").status == "401")
      #expect(ask(url, options).status == "401")
    }
    #expect(laid.asked == 0)
    let token = "-H 'Authorization: Bearer \(`Asking over TCP`.token)'"
    #expect(ask(url, "-X PATCH \(Self.json) \(token) \(body)").status == "200")
    #expect(laid.overlay.settings.map(\.who) == ["127.0.0.1"])
    #expect(ask(url, token).body.contains("\"who\":\"127.0.0.1\""))
    #expect(ask(url, "-X DELETE \(token)").status == "200" && laid.keys.isEmpty)
  }

  @Test func `a page from elsewhere, in a browser beside a loopback door, changes nothing`() throws {
    let laid = Laid()
    let gateway = try Standing(remote: try `Asking over TCP`.remote(), actions: laid.actions)
    let url = "http://\(gateway.remote[0])"
    let origin = "-D - -H 'Origin: https://elsewhere.example'"
    // What a browser sends without asking first: no header of its own, and one of three types of bodies.
    for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
      let body = #"-d '{"settings":[{"section":"Path","name":"lte","values":{"Tier":"never"}}]}'"#
      #expect(ask(url + "/v1/settings", "-X POST \(origin) -H 'Content-Type: \(type)' \(body)").status == "401")
      #expect(ask(url + "/v1/reload", "-X POST \(origin) -H 'Content-Type: \(type)' \(body)").status == "401")
    }
    // For anything else it asks first, and nobody says that it may.
    let question = ask(
      url + "/v1/settings",
      "-X OPTIONS \(origin) -H 'Access-Control-Request-Method: PATCH' "
        + "-H 'Access-Control-Request-Headers: authorization, content-type'")
    #expect(question.status == "401" && !question.body.lowercased().contains("access-control-allow"))
    #expect(laid.asked == 0)
  }

  @Test func `the door for metrics has no such page, and takes no body`() throws {
    let laid = Laid()
    let gateway = try Standing(metrics: [`Asking over TCP`.loopback], actions: laid.actions)
    let url = "http://\(gateway.metrics[0])/v1/settings"
    #expect(ask(url, "-X PATCH \(Self.json) -d '{}'").status == "404")
    #expect(ask(url, "-X DELETE").status == "404" && ask(url, "").status == "404")
    #expect(laid.asked == 0)
  }

  // MARK: Anything at all

  @Test(arguments: UInt64(1)...8) func `a body that was changed at random gets an answer, and traps nobody`(
    seed: UInt64
  ) throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    var random = SeededRandom(seed: seed)
    var seen: [String: Int] = [:]
    for round in 0..<60 {
      var body = Array(Self.bodies[Int(random.below(UInt64(Self.bodies.count)))].utf8)
      for _ in 0..<random.below(4) {
        let at = Int(random.below(UInt64(body.count)))
        switch random.below(4) {
        case 0: body[at] = UInt8(truncatingIfNeeded: random.next())
        case 1: body.remove(at: at)
        case 2: body.insert(Array("{}[]\",:#\\\n=0".utf8)[Int(random.below(12))], at: at)
        default: body.append(contentsOf: body[at...])
        }
        if body.isEmpty { body = [0] }
      }
      let answer = gateway.raw(
        "PATCH /v1/settings HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
          + "Content-Length: \(body.count)\r\n\r\n", body: body)
      let status = String(answer.dropFirst("HTTP/1.1 ".count).prefix(3))
      seen[status, default: 0] += 1
      #expect(["200", "400", "413", "422"].contains(status), "seed \(seed), round \(round): \(answer)")
      #expect(laid.overlay.settings.count <= Overlay.most)
    }
    #expect((seen["200"] ?? 0) > 0 && (seen["400"] ?? 0) > 0, "\(seen)")
    #expect(gateway.curlWithStatus("/v1/settings").status == "200")
  }

  private static let bodies = [
    #"{"settings":[{"section":"Path","name":"lte","values":{"Tier":"backup","Weight":3}}]}"#,
    #"{"settings":[{"section":"gateway","name":null,"values":{"MTU":"1400"}},"#
      + #"{"section":"Rule","name":"r","values":{"Ports":"1,2-3"}}]}"#,
    #"{"settings":[{"section":"Peer","name":"hq","values":{"AllowedIPs":"10.0.0.0/8, fd00::/8"}}]}"#,
    #"{"settings":[{"section":"Class","name":"\u0063alls","values":{"Treatment":"realtime"}}]}"#,
  ]
}

/// What is laid over a gateway's file where there is no gateway: everything that the overlay takes is applied.
final class Laid: Sendable {
  private struct State {
    var overlay = Overlay()
    var asked = 0
  }
  private let state = Mutex(State())

  var overlay: Overlay { state.withLock { $0.overlay } }
  var keys: [String] { overlay.settings.map(\.key) }
  /// How often somebody wanted to change something.
  var asked: Int { state.withLock { $0.asked } }

  func set(_ section: String, _ name: String, _ key: String, _ value: String) {
    let wish = Overlay.Wish(section: section, name: name, values: [.init(key: key, text: value)])
    state.withLock { state in
      guard let overlay = try? state.overlay.adding([wish], from: "a test", at: 1) else {
        preconditionFailure("a test sets what can be set")
      }
      state.overlay = overlay
    }
  }

  var actions: ControlActions {
    ControlActions(
      settings: .init(
        list: { self.overlay },
        set: { wishes, who in
          var lines: [String] = []
          var outcome = self.change { overlay throws(Overlay.Objections) in
            lines = try Overlay().adding(wishes, from: who, at: 1_000).lines.map(\.text)
            return try overlay.adding(wishes, from: who, at: 1_000)
          }
          if outcome.isApplied { outcome.keep = .init(file: "/etc/x.conf.d/90-set.conf", lines: lines) }
          return outcome
        },
        takeBack: { choice, _ in
          self.change { overlay throws(Overlay.Objections) in try overlay.without(choice) }
        }),
      reload: { _ in ControlOutcome(isApplied: true, sentences: ["nothing is different"]) })
  }

  private func change(_ alter: (Overlay) throws(Overlay.Objections) -> Overlay) -> ControlOutcome {
    state.withLock { state in
      state.asked += 1
      do throws(Overlay.Objections) {
        state.overlay = try alter(state.overlay)
        return ControlOutcome(isApplied: true, sentences: state.overlay.settings.map { "\($0.title) \($0.key)" })
      } catch {
        return ControlOutcome(isApplied: false, sentences: error.sentences)
      }
    }
  }
}
