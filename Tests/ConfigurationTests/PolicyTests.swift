import Configuration
import Primitives
import Testing

/// Mistakes of a line in the smallest configuration's [Path], which is line 6 then; without what stands before them.
private func told(path line: String) -> [String] {
  mistakes(in: small.replacing("Interface = eth0", with: "Interface = eth0\n\(line)"))
    .map { $0.replacing("branch.conf:6:", with: "") }
}

private func path(_ line: String) throws -> GatewayConfiguration.Path {
  try read(small.replacing("Interface = eth0", with: "Interface = eth0\n\(line)")).gateway.paths[0]
}

@Suite struct `What a path may cost` {
  @Test(
    arguments: [
      ("20GB per month from day 5", 20_000_000_000, .month(from: 5), "20GB per month from day 5"),
      ("20 gb  PER Month", 20_000_000_000, .month(from: 1), "20GB per month"),
      ("1.5TB per week from Thursday", 1_500_000_000_000, .week(from: .thursday), "1500GB per week from thursday"),
      ("0.5 GB per day", 500_000_000, .day, "500MB per day"),
      ("250MB per week from monday", 250_000_000, .week(from: .monday), "250MB per week"),
      ("1000TB per month from day 31", 1_000_000_000_000_000, .month(from: 31), "1000TB per month from day 31"),
    ] as [(String, Int, GatewayConfiguration.Budget.Period, String)])
  func `is an amount in a day, a week or a month`(
    text: String, bytes: Int, period: GatewayConfiguration.Budget.Period, printed: String
  ) throws {
    let budget = try #require(try path("Budget = \(text)").budget)
    #expect(budget == .init(bytes: ByteCount(bytes), per: period))
    #expect(budget.printed == printed)
    #expect(try path("Budget = \(printed)").budget == budget)
  }

  private static let form = "expected an amount and a period, such as 20GB per month from day 5"

  @Test(arguments: [
    ("20", "a unit is missing; expected MB, GB or TB"), ("20GBs per day", "unknown unit 'GBs'; did you mean 'GB'?"),
    ("20 litres per day", "unknown unit 'litres'; expected MB, GB or TB"), ("GB per day", form),
    ("0GB per day", "expected an amount from 1MB to 1000TB"),
    ("0.9MB per day", "expected an amount from 1MB to 1000TB"),
    ("1001TB per day", "expected an amount from 1MB to 1000TB"), ("1.2.3GB per day", form), ("-5GB per day", form),
    ("9999999999GB per day", form), ("20GB", form), ("20GB a month", form), ("20GB per", form),
    ("20GB per mnoth", "unknown period 'mnoth'; did you mean 'month'?"),
    ("20GB per year", "unknown period 'year'; expected day, week or month"),
    ("20GB per month from 5", "expected a day from 1 to 31, as in: per month from day 5"),
    ("20GB per month from day 32", "expected a day from 1 to 31, as in: per month from day 5"),
    ("20GB per month from day 5 on", "expected a day from 1 to 31, as in: per month from day 5"),
    ("20GB per week from teusday", "unknown day 'teusday'; did you mean 'tuesday'?"),
    ("20GB per week from monday on", form), ("20GB per week since monday", form),
    ("20GB per day from noon", "a day begins at midnight: expected nothing after 'per day'"),
  ])
  func `is told when it is none`(text: String, sentence: String) {
    #expect(told(path: "Budget = \(text)") == ["10: Budget = \(text): \(sentence)"])
  }

  @Test func `has a price with three decimals`() throws {
    #expect(try path("Cost = 0.01 per GB").cost.thousandths == 10)
    #expect(try path("Cost = 12 PER gb").cost.printed == "12 per GB")
    #expect(try path("Cost = 1000000 per GB").cost.thousandths == 1_000_000_000)
    for text in [
      "0.0001 per GB", "1", "1 per MB", "1000001 per GB", "-1 per GB", ".5 per GB", "5. per GB", "1 each GB",
    ] {
      #expect(
        told(path: "Cost = \(text)") == [
          "8: Cost = \(text): expected a price such as 0.01 per GB, with at most three decimals, at most 1000000"
        ])
    }
  }

  @Test func `has a rate from here, and one to here`() throws {
    #expect(try path("Limit = 20mbit").limit?.printed == "20mbit")
    #expect(try path("Limit = 20mbit / 1.5GBIT").limit?.printed == "20mbit/1500mbit")
    #expect(try path("Limit = 64kbit/64000kbit").limit?.printed == "64kbit/64mbit")
    let form = "expected a rate such as 20mbit, or one from here and one to here such as 20mbit/100mbit"
    for (text, sentence) in [
      ("fast", form), ("20", "a unit is missing; expected kbit, mbit or gbit"),
      ("20mbits", "unknown unit 'mbits'; did you mean 'mbit'?"), ("1mbit/2mbit/3mbit", form), ("20mbit/", form),
      ("63kbit", "expected a rate from 64kbit to 1000gbit"), ("1001gbit", "expected a rate from 64kbit to 1000gbit"),
    ] {
      #expect(told(path: "Limit = \(text)") == ["9: Limit = \(text): \(sentence)"])
    }
  }

  @Test func `and when it carries, is one of four words`() throws {
    #expect(try path("Tier = BACKUP").tier == .backup)
    #expect(
      told(path: "Tier = secondry") == [
        "8: Tier = secondry: expected primary, secondary, backup or never; did you mean 'secondary'?"
      ])
    #expect(
      told(path: "Tier = never") == ["8: Tier = never at every path: expected one that may carry data"])
    #expect(told(path: "Priority = backup") == ["1: unknown key 'Priority' in [Path]; it is called 'Tier' here"])
  }
}

@Suite struct `A class of the file's` {
  private func told(_ section: String) -> [String] {
    mistakes(in: small + "[Path \"lte\"]\nInterface = eth1\nTier = never\n\(section)\n")
      .map { $0.replacing("branch.conf:", with: "") }
  }

  @Test(arguments: [
    ("Redundancy = copies", "12:1: [Class \"c\"] has no Treatment: expected bulk, interactive or realtime"),
    ("Treatment = urgent", "13:13: Treatment = urgent: expected bulk, interactive or realtime"),
    (
      "Treatment = realtme",
      "13:13: Treatment = realtme: expected bulk, interactive or realtime; did you mean 'realtime'?"
    ),
    (
      "Treatment = bulk\nRedundancy = copie",
      "14:14: Redundancy = copie: expected none, copies, parity DATA+PARITY such as parity 4+1, or adaptive; "
        + "did you mean 'copies'?"
    ),
    (
      "Treatment = bulk\nRedundancy = parity",
      "14:14: Redundancy = parity: expected none, copies, parity DATA+PARITY such as parity 4+1, or adaptive"
    ),
    (
      "Treatment = bulk\nRedundancy = parity 17+1",
      "14:14: Redundancy = parity 17+1: expected parity DATA+PARITY with 1 to 16 and 1 to 4, such as parity 4+1"
    ),
    (
      "Treatment = bulk\nRedundancy = parity 4+",
      "14:14: Redundancy = parity 4+: expected parity DATA+PARITY with 1 to 16 and 1 to 4, such as parity 4+1"
    ),
    ("Treatment = bulk\nColor = red", "14:1: unknown key 'Color' in [Class]; known are Treatment, Redundancy"),
  ])
  func `that could not do what it says is refused`(lines: String, sentence: String) {
    #expect(told("[Class \"c\"]\n\(lines)") == [sentence])
  }

  @Test func `may redefine one of ours`() throws {
    let gateway = try read(small + "[Class \"bulk\"]\nTreatment = interactive\n[Rule \"r\"]\nClass = bulk\n").gateway
    #expect(gateway.classes == [.init(name: "bulk", .interactive)] && gateway.rules[0].className == "bulk")
  }
}
