//  APITests.swift — what a gateway answers, held against the schemas and the OpenAPI document that others read.

import Foundation
import Status
import Testing

@testable import Control

/// The checkout that these tests are of.
private let checkout = (#filePath as NSString).pathComponents.dropLast(3).joined(separator: "/")
  .replacingOccurrences(of: "//", with: "/")

private let hasSchemas = shell("python3 -c 'import jsonschema'").status == 0
private let hasValidator = shell("python3 -c 'import openapi_spec_validator'").status == 0

@Suite struct `The documents of the API` {
  static let pages: [(page: String, schema: String)] = [
    ("/v1/status", "status"), ("/v1/peers", "peers"), ("/v1/paths", "paths"), ("/v1/flows", "flows"),
    ("/v1/rules", "rules"), ("/v1/why?path=fibre", "why"), ("/v1/why?flow=10.1.0.9:5+10.2.0.7:443+tcp", "why"),
    ("/v1/why?flow=10.1.0.1", "why"), ("/v1/events", "events"), ("/healthz", "health"), ("/v1/nothing", "error"),
    ("/v1/flows?top=x", "error"),
  ]

  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema"), arguments: pages)
  func `each answer fits its schema`(page: String, schema: String) throws {
    let gateway = try Standing()
    gateway.events.tell(.pathUp, peer: "hq", path: "lte", "peer hq: lte is up")
    let answer = shell(
      "curl -s -H 'Accept: application/json' --unix-socket \(gateway.path) 'http://h\(page)' | "
        + "\(checkout)/scripts/hold-against-schema \(checkout)/docs/api/schemas/\(schema).json -")
    #expect(answer.status == 0, "\(answer.output)")
  }

  static let changes: [(request: String, schema: String)] = [
    ("-X POST http://h/v1/reload", "reload"),
    (patch(#"{"settings":[{"section":"path","name":"lte","values":{"Tier":"backup"}}]}"#), "set"),
    (patch(#"{"settings":[{"section":"pth","values":{}}]}"#), "set"), (patch(#"{"setings":[]}"#), "error"),
    ("http://h/v1/settings", "settings"), ("-X DELETE 'http://h/v1/settings?section=Path'", "reload"),
    ("-X DELETE 'http://h/v1/settings?section=Pth'", "reload"), ("-X DELETE 'http://h/v1/settings?what=Path'", "error"),
  ]

  private static func patch(_ body: String) -> String {
    "-X PATCH -H 'Content-Type: application/json' -d '\(body)' http://h/v1/settings"
  }

  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema"), arguments: changes)
  func `each answer to who changes something fits its schema`(request: String, schema: String) throws {
    let laid = Laid()
    let gateway = try Standing(actions: laid.actions)
    laid.set("Path", "lte", "Weight", "3")
    let answer = shell(
      "curl -s --unix-socket \(gateway.path) \(request) | "
        + "\(checkout)/scripts/hold-against-schema \(checkout)/docs/api/schemas/\(schema).json -")
    #expect(answer.status == 0, "\(answer.output)")
  }

  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema")) func `what is sent has a schema, too`() {
    let schema = "\(checkout)/docs/api/schemas/set-request.json"
    for (json, isRight) in [
      (#"{"settings":[{"section":"Path","name":"lte","values":{"Tier":"backup","Weight":3}}]}"#, true),
      (#"{"settings":[{"section":"Gateway","values":{"MTU":1400}}]}"#, true), (#"{"settings":[]}"#, false),
      (#"{"settings":[{"section":"Path","values":{"Tier":true}}]}"#, false), (#"{"settings":[{"values":{}}]}"#, false),
    ] {
      let answer = shell("echo '\(json)' | \(checkout)/scripts/hold-against-schema \(schema) -")
      #expect((answer.status == 0) == isRight, "\(json): \(answer.output)")
    }
  }

  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema"))
  func `a schema refuses what it does not know, and what is missing`() throws {
    for json in [#"{"verdict":"fine","more":1}"#, "{}", #"{"verdict":"good"}"#] {
      let schema = "\(checkout)/docs/api/schemas/health.json"
      let answer = shell("echo '\(json)' | \(checkout)/scripts/hold-against-schema \(schema) -")
      #expect(answer.status == 1, "\(json): \(answer.output)")
    }
  }

  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema"))
  func `every schema is one`() throws {
    let folder = checkout + "/docs/api/schemas"
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      let answer = shell("\(checkout)/scripts/hold-against-schema \(folder)/\(name)")
      #expect(answer.status == 0, "\(name): \(answer.output)")
    }
  }

  @Test func `every page and every method is in the OpenAPI document, and nothing else`() throws {
    let data = try #require(FileManager.default.contents(atPath: checkout + "/docs/api/openapi.json"))
    let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(document["openapi"] as? String == "3.1.0")
    let paths = try #require(document["paths"] as? [String: [String: Any]])
    #expect(Set(paths.keys) == Set(ControlPages.all.map(\.path)))
    for page in ControlPages.all {
      let methods = Set(paths[page.path, default: [:]].keys.map { $0.uppercased() })
      // HEAD goes without saying where there is GET.
      #expect(methods == Set(page.methods).subtracting(["HEAD"]), "\(page.path)")
    }
  }

  @Test(.enabled(if: hasValidator, "needs openapi-spec-validator, which Debian 12 has no package of"))
  func `a validator takes the OpenAPI document`() {
    let answer = shell("python3 -m openapi_spec_validator \(checkout)/docs/api/openapi.json")
    #expect(answer.status == 0, "\(answer.output)")
  }
}
