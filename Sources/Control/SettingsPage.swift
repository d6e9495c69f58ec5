//  SettingsPage.swift — /v1/settings: what is laid over the gateway's file, more of it, or less.
//
//      GET                                            what there is, since when and by whom
//      PATCH  {"settings": […]}                       these besides, all or none (SettingsBody)
//      DELETE                                         nothing any more
//      DELETE ?section=Path&name=lte&key=Tier         without this one, this section, or all of its kind
//
//  As text, GET is a drop-in: whoever writes it into one has kept what was set. What changes the gateway is asked like
//  a reload, on the thread for slow requests, and may be asked again: then nothing is different.

import Configuration
import HTTP
import POSIX
import Primitives
import Status

extension ControlPages {
  static let settings = ControlPage("/v1/settings", ["GET", "HEAD", "PATCH", "DELETE"], takesBody: ["PATCH"]) { asked in
    guard let settings = asked.house.actions?.settings else { return notFromAFile }
    switch asked.method {
    case "PATCH": return set(asked, settings)
    case "DELETE": return takeBack(asked, settings)
    default:
      let overlay = settings.list()
      let body = asked.asText ? overlay.listed(at: WallClock.now) : overlay.json + "\n"
      let type = asked.asText ? "text/plain; charset=utf-8" : "application/json"
      return .other(HTTPResponse(status: 200, type: type, body: body))
    }
  }

  static let notFromAFile = ControlResult.refused(404, "this gateway was not started from a file")

  private static func set(_ asked: ControlRequest, _ settings: ControlActions.Settings) -> ControlResult {
    let type = asked.type?.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
    guard type == "application/json" else {
      return .refused(415, "expected Content-Type: application/json, and JSON in the body")
    }
    do throws(SettingsBody.Complaint) {
      let wishes = try SettingsBody.wishes(asked.body)
      return .other(ControlActions.said(settings.set(wishes, asked.who), asText: asked.asText))
    } catch {
      return .refused(400, error.sentence)
    }
  }

  private static func takeBack(_ asked: ControlRequest, _ settings: ControlActions.Settings) -> ControlResult {
    let known = ["section", "name", "key"]
    var seen: [String] = []
    // One that is not understood would take back more than was meant.
    for member in asked.query.members {
      if seen.contains(member.name) { return .refused(400, "\(member.name): expected it once") }
      seen.append(member.name)
      if known.contains(member.name) && !member.value.isEmpty { continue }
      let near = nearestWord(to: member.name, in: known).map { "did you mean '\($0)'?" }
      return .refused(
        400,
        known.contains(member.name)
          ? "\(member.name): expected a value, or no such parameter"
          : "there is no parameter of this name; \(near ?? "known are " + known.joined(separator: ", "))")
    }
    let choice = Overlay.Choice(
      section: asked.query["section"], name: asked.query["name"], key: asked.query["key"])
    return .other(ControlActions.said(settings.takeBack(choice, asked.who), asText: asked.asText))
  }
}

extension Overlay {
  fileprivate var json: String {
    JSONText.object { object in
      object.array("settings") { list in
        for setting in settings {
          list.object {
            $0.member("section", setting.section)
            $0.member("name", setting.name.isEmpty ? nil : setting.name)
            $0.member("key", setting.key)
            $0.member("value", setting.value)
            $0.member("who", setting.who)
            $0.member("time_ms", setting.milliseconds)
          }
        }
      }
    }
  }

  /// A drop-in, with who and when behind each key.
  fileprivate func listed(at now: Instant) -> String {
    if isEmpty { return "# nothing is set: the file and its drop-ins hold\n" }
    let lines = self.lines
    let width = lines.compactMap { $0.setting == nil ? nil : $0.text.count }.filter { $0 <= 40 }.max() ?? 0
    var text = "# set until the next reload or restart\n"
    for line in lines {
      guard let setting = line.setting else {
        text += line.text + "\n"
        continue
      }
      let now = now.nanoseconds / 1_000_000
      let span = Interval.milliseconds(Int64(clamping: now > setting.milliseconds ? now - setting.milliseconds : 0))
      let gap = String(repeating: " ", count: max(0, width - line.text.count))
      text += "\(line.text)\(gap)  # by \(setting.who), \(age(span)) ago\n"
    }
    return text
  }
}
