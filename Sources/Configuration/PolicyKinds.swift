//  PolicyKinds.swift — the notations of what a path may cost and of how a class is treated.
//
//      Budget = 20GB per month from day 5       Cost = 0.01 per GB         Limit = 20mbit/100mbit
//               ──┬─     ──┬──      ──┬──              ──┬─                        ──┬─── ───┬───
//               amount   period    its first day     three decimals          from here   to here

import Primitives

/// A decimal number times a worth, when that is a whole number: "1.5" times 1,000 is 1,500.
private func scaled(_ text: some StringProtocol, by worth: UInt64) -> UInt64? {
  let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
  // So many digits of either part stay within 64 bits.
  guard parts.allSatisfy({ (1...9).contains($0.utf8.count) && $0.utf8.allSatisfy { (48...57).contains($0) } }),
    let first = parts.first, let whole = UInt64(first)
  else { return nil }
  let (product, isOver) = whole.multipliedReportingOverflow(by: worth)
  if isOver { return nil }
  guard parts.count == 2, let decimals = UInt64(parts[1]) else { return product }
  let divisor = (0..<parts[1].utf8.count).reduce(1 as UInt64) { power, _ in power * 10 }
  let fraction = decimals.multipliedFullWidth(by: worth)
  guard fraction.high < divisor else { return nil }
  let (quotient, remainder) = divisor.dividingFullWidth(fraction)
  let (sum, isMore) = product.addingReportingOverflow(quotient)
  return remainder == 0 && !isMore ? sum : nil
}

/// A number with its unit: "20GB", "1.5mbit".
private func quantity(
  _ text: String, _ units: [(name: String, worth: UInt64)], _ expectation: String
) throws(Complaint) -> UInt64 {
  let number = text.prefix { $0 == "." || ("0"..."9").contains($0) }
  let unit = String(text.dropFirst(number.count))
  guard !number.isEmpty else { throw Complaint("expected \(expectation)") }
  guard let known = units.first(where: { $0.name.lowercased() == unit.lowercased() }) else {
    let names = units.reversed().map(\.name)
    let what = unit.isEmpty ? "a unit is missing" : "unknown unit '\(shown(Array(unit.utf8)))'"
    throw Complaint("\(what)\(unit.isEmpty ? "; expected \(listed(names))" : hint(unit, names))")
  }
  guard let value = scaled(number, by: known.worth) else { throw Complaint("expected \(expectation)") }
  return value
}

/// "a, b or c".
func listed(_ words: [String]) -> String {
  guard let last = words.last, words.count > 1 else { return words.joined() }
  return words.dropLast().joined(separator: ", ") + " or " + last
}

/// What was meant, else what there is.
private func hint(_ word: String, _ known: [String]) -> String {
  nearestWord(to: word, in: known).map { "; did you mean '\($0)'?" } ?? "; expected \(listed(known))"
}

private func words(_ bytes: ArraySlice<UInt8>) -> [String] {
  String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\t" }.map(String.init)
}

extension SettingKind where Value == GatewayConfiguration.Budget {
  /// A million million bytes: more than any line carries in a month.
  private static let most: UInt64 = 1_000_000_000_000_000

  static var budget: SettingKind {
    let right = "an amount and a period, such as 20GB per month from day 5"
    return SettingKind(right) { (bytes) throws(Complaint) in
      var rest = words(bytes)[...]
      guard var amount = rest.popFirst() else { throw Complaint("expected \(right)") }
      // "20 GB" is what people write.
      if let unit = rest.first, unit.lowercased() != "per", let last = amount.utf8.last, (48...57).contains(last) {
        amount += unit
        rest.removeFirst()
      }
      let value = try quantity(amount, Units.bytes, right)
      guard (1_000_000...most).contains(value) else { throw Complaint("expected an amount from 1MB to 1000TB") }
      guard rest.popFirst()?.lowercased() == "per", let period = rest.popFirst() else {
        throw Complaint("expected \(right)")
      }
      return GatewayConfiguration.Budget(bytes: ByteCount(Int(value)), per: try self.period(period, &rest, right))
    }
  }

  private static func period(
    _ word: String, _ rest: inout ArraySlice<String>, _ right: String
  ) throws(Complaint) -> GatewayConfiguration.Budget.Period {
    let name = word.lowercased()
    guard ["day", "week", "month"].contains(name) else {
      throw Complaint("unknown period '\(shown(Array(word.utf8)))'\(hint(name, ["day", "week", "month"]))")
    }
    if rest.isEmpty { return name == "day" ? .day : name == "week" ? .week(from: .monday) : .month(from: 1) }
    guard rest.popFirst()?.lowercased() == "from", let first = rest.popFirst()?.lowercased() else {
      throw Complaint("expected \(right)")
    }
    switch name {
    case "week":
      let days = GatewayConfiguration.Weekday.allCases.map(\.rawValue)
      guard let day = GatewayConfiguration.Weekday(rawValue: first) else {
        throw Complaint("unknown day '\(shown(Array(first.utf8)))'\(hint(first, days))")
      }
      guard rest.isEmpty else { throw Complaint("expected \(right)") }
      return .week(from: day)
    case "month":
      guard first == "day", let text = rest.popFirst(), rest.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }),
        let day = UInt8(text), (1...31).contains(day)
      else { throw Complaint("expected a day from 1 to 31, as in: per month from day 5") }
      return .month(from: day)
    default: throw Complaint("a day begins at midnight: expected nothing after 'per day'")
    }
  }
}

extension SettingKind where Value == GatewayConfiguration.Price {
  static var price: SettingKind {
    SettingKind("a price such as 0.01 per GB, with at most three decimals, at most 1000000") { text in
      let words = text.split { $0 == " " || $0 == "\t" }
      guard words.count == 3, words[1].lowercased() == "per", words[2].lowercased() == "gb",
        let value = scaled(words[0], by: 1_000), value <= 1_000_000_000
      else { return nil }
      return GatewayConfiguration.Price(thousandths: UInt32(value))
    }
  }
}

extension SettingKind where Value == GatewayConfiguration.RateLimit {
  /// A call with its headers fits below it, and nothing else does.
  private static let least: UInt64 = 64_000

  static var rateLimit: SettingKind {
    let right = "a rate such as 20mbit, or one from here and one to here such as 20mbit/100mbit"
    return SettingKind(right) { (bytes) throws(Complaint) in
      let text = String(decoding: bytes, as: UTF8.self)
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count <= 2 else { throw Complaint("expected \(right)") }
      var rates: [BitRate] = []
      for part in parts {
        let value = try quantity(part.filter { $0 != " " && $0 != "\t" }, Units.rates, right)
        guard value >= least, value <= BitRate.maximum.bitsPerSecond else {
          throw Complaint("expected a rate from 64kbit to 1000gbit")
        }
        rates.append(BitRate(bitsPerSecond: value))
      }
      return GatewayConfiguration.RateLimit(up: rates[0], down: rates[rates.count - 1])
    }
  }
}

extension SettingKind where Value == BitRate {
  static var rate: SettingKind {
    let right = "a rate such as 100mbit"
    return SettingKind(right) { (bytes) throws(Complaint) in
      let text = String(decoding: bytes, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
      let value = try quantity(text, Units.rates, right)
      guard (64_000...BitRate.maximum.bitsPerSecond).contains(value) else {
        throw Complaint("expected a rate from 64kbit to 1000gbit")
      }
      return BitRate(bitsPerSecond: value)
    }
  }
}

extension SettingKind where Value == ByteCount {
  static var amount: SettingKind {
    let right = "an amount such as 50GB"
    return SettingKind(right) { (bytes) throws(Complaint) in
      let text = String(decoding: bytes, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
      let value = try quantity(text, Units.bytes, right)
      guard (1_000_000...1_000_000_000_000_000).contains(value) else {
        throw Complaint("expected an amount from 1MB to 1000TB")
      }
      return ByteCount(Int(value))
    }
  }
}

extension SettingKind where Value == GatewayConfiguration.Protection {
  static var protection: SettingKind {
    let right = "none, copies, parity DATA+PARITY such as parity 4+1, or adaptive"
    return SettingKind(right) { (bytes) throws(Complaint) in
      let words = words(bytes)
      guard let first = words.first?.lowercased() else { throw Complaint("expected \(right)") }
      switch (first, words.count) {
      case ("none", 1): return .none
      case ("copies", 1): return .copies
      case ("adaptive", 1): return .adaptive
      case ("parity", 2):
        let numbers = words[1].split(separator: "+", omittingEmptySubsequences: false).map { number in
          number.utf8.allSatisfy { (48...57).contains($0) } ? UInt8(number) : nil
        }
        guard numbers.count == 2, let data = numbers[0], let parity = numbers[1], (1...16).contains(data),
          (1...4).contains(parity)
        else { throw Complaint("expected parity DATA+PARITY with 1 to 16 and 1 to 4, such as parity 4+1") }
        return .parity(data: data, parity: parity)
      default:
        let known = ["none", "copies", "parity", "adaptive"]
        let near = known.contains(first) ? nil : nearestWord(to: first, in: known)
        throw Complaint("expected \(right)" + (near.map { "; did you mean '\($0)'?" } ?? ""))
      }
    }
  }
}

extension SettingKind where Value == String {
  /// Of a path or a class, with or without quotes.
  static func name(of what: String) -> SettingKind {
    SettingKind("the name of a \(what)") { text in
      let isQuoted = text.utf8.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
      let name = isQuoted ? String(text.dropFirst().dropLast()) : text
      return isName(name.utf8) ? name : nil
    }
  }
}
