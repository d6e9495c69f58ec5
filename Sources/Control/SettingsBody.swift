//  SettingsBody.swift — what a PATCH of /v1/settings says, as wishes; or in one sentence what would be right.
//
//      {"settings": [{"section": "Path", "name": "lte", "values": {"Tier": "backup", "Weight": 3}}]}
//
//  Whoever may change a gateway may still be a program with a mistake, or somebody who has stolen a token: a body is
//  bounded in bytes, depth and values, and a member that nobody knows is refused with the nearest one, since what was
//  meant by it would else be missing without a word. What sections and keys may be, the overlay says (Configuration).
//
//  Always true.  No bytes trap, and what comes out has at most as many values as the body has bytes. The fuzz target
//  `settings` asks for it.

public import Configuration
import JSON
import Primitives

public enum SettingsBody {
  /// A hundred keys have four kilobytes; a list of networks may be long.
  public static let mostBytes = 16 << 10

  /// Why a body is none, to go behind a colon.
  public struct Complaint: Error, Equatable, Sendable {
    public let sentence: String

    init(_ sentence: String) { self.sentence = sentence }
  }

  private static let limits: JSONLimits = {
    var limits = JSONLimits()
    limits.bytes = mostBytes
    limits.depth = 8
    limits.values = 2_048
    return limits
  }()

  public static func wishes(_ body: [UInt8]) throws(Complaint) -> [Overlay.Wish] {
    let json: JSONValue
    do throws(JSONError) {
      json = try JSONValue(reading: body, limits: limits)
    } catch {
      throw Complaint("this is no JSON: \(error)")
    }
    let whole = try members(of: json, "the body", ["settings"])
    guard let settings = whole["settings"]?.array else { throw Complaint("settings: expected an array of objects") }
    if settings.isEmpty { throw Complaint("settings: expected at least one; DELETE takes settings back") }
    var wishes: [Overlay.Wish] = []
    for (index, setting) in settings.enumerated() { wishes.append(try wish(setting, "settings[\(index)]")) }
    return wishes
  }

  private static func wish(_ json: JSONValue, _ place: String) throws(Complaint) -> Overlay.Wish {
    let object = try members(of: json, place, ["section", "name", "values"])
    guard let section = object["section"]?.string else {
      throw Complaint("\(place).section: expected the name of a section, such as \"Path\"")
    }
    let name = object["name"]
    guard name == nil || name == .null || name?.string != nil else {
      throw Complaint("\(place).name: expected the name of a [\(shown(section.utf8))], or none")
    }
    guard let values = object["values"]?.object else {
      throw Complaint("\(place).values: expected an object of keys and their values, such as {\"Tier\": \"backup\"}")
    }
    var wish = Overlay.Wish(section: section, name: name?.string, values: [])
    for member in values.members {
      guard let text = member.value.string ?? member.value.integer.map({ "\($0)" }) else {
        throw Complaint(
          "\(place).values.\(shown(member.name.utf8)): expected a string as it stands behind the '=', or a whole number"
        )
      }
      wish.values.append(Overlay.Wish.Value(key: member.name, text: text))
    }
    return wish
  }

  private static func members(
    of json: JSONValue, _ place: String, _ known: [String]
  ) throws(Complaint) -> JSONObject {
    guard let object = json.object else {
      throw Complaint("\(place): expected an object with \(known.joined(separator: ", "))")
    }
    for member in object.members where !known.contains(member.name) {
      let near = nearestWord(to: member.name, in: known).map { "did you mean '\($0)'?" }
      throw Complaint(
        "\(place): unknown member '\(shown(member.name.utf8))'; \(near ?? "known are " + known.joined(separator: ", "))"
      )
    }
    return object
  }
}
