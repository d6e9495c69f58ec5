//  MergePatch.swift — what changed between two JSON documents, as a document, and a document with such a change made.
//
//  Why.  Who watches a cost map of ten thousand numbers wants the three that changed. RFC 7396 has the least way to say
//  so that every client can apply: an object with the members that are new or other, and null for those that are gone.
//
//      old    {"a":1, "b":{"c":2, "d":3}}          patch  {"a":7, "b":{"d":null}}
//      new    {"a":7, "b":{"c":2}}
//
//  A patch cannot say that a member shall *be* null; `difference` then says so, and the whole document is sent instead.
//  Arrays are replaced whole, and a null inside of one is an ordinary element.
//
//  Always true.  `apply(difference(old, new), old)` equals new, whenever there is a difference to apply.

public enum MergePatch {
  public static let mediaType = "application/merge-patch+json"

  /// The document that the patch makes of this one.
  public static func apply(_ patch: JSONValue, to target: JSONValue) -> JSONValue {
    guard let changes = patch.object else { return patch }
    var result = target.object ?? JSONObject()
    for change in changes.members {
      if change.value == .null {
        result.remove(change.name)
      } else {
        result.set(change.name, apply(change.value, to: result[change.name] ?? .null))
      }
    }
    return .object(result)
  }

  /// What makes `new` of `old`: an empty object when they are equal, nil when a patch cannot say it.
  public static func difference(from old: JSONValue, to new: JSONValue) -> JSONValue? {
    guard let after = new.object else { return new }
    guard let before = old.object else { return hasNullMember(new) ? nil : new }
    var patch = JSONObject()
    var next = 0
    for member in after.members {
      guard let index = before.index(of: member.name, near: next) else {
        if member.value == .null || hasNullMember(member.value) { return nil }
        patch.append(member.name, member.value)
        continue
      }
      next = index + 1
      let was = before.members[index].value
      if was == member.value { continue }
      guard member.value != .null, let change = difference(from: was, to: member.value) else { return nil }
      patch.append(member.name, change)
    }
    next = 0
    for member in before.members {
      if let index = after.index(of: member.name, near: next) {
        next = index + 1
      } else {
        patch.append(member.name, .null)
      }
    }
    return .object(patch)
  }

  /// Whether a patch with this value would lose a member: those of objects, but not what is inside of arrays.
  private static func hasNullMember(_ value: JSONValue) -> Bool {
    value.object?.members.contains { $0.value == .null || hasNullMember($0.value) } ?? false
  }
}
