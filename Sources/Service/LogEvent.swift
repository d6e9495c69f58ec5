//  LogEvent.swift — everything that our programs tell of themselves, by kind: how urgent it is, and by which name and
//  number a filter finds it.
//
//  Numbers are for ever: MESSAGE_ID is made of them, and operators write it into filters. A kind that is no longer told
//  leaves its number behind.

public enum LogLevel: Int, Sendable {
  case error = 3
  case warning
  case notice
  case information
  case debug

  /// Before a line on a terminal; the usual needs no word.
  var word: String {
    switch self {
    case .error: "error: "
    case .warning: "warning: "
    case .notice, .information, .debug: ""
    }
  }
}

public enum LogEvent: UInt16, CaseIterable, Sendable {
  case started = 1
  case ended = 2
  case socketOpened = 3
  case limitation = 4
  case nameResolved = 5
  case peerConnected = 6
  case peerRekeyed = 7
  case peerDisconnected = 8
  case pathFound = 9
  case pathMoved = 10
  case pathUp = 11
  case pathDown = 12
  case relayRefused = 13
  case budgetSpent = 14
  case budgetFresh = 15
  case budgetNotKept = 16
  case oracle = 17
  case configuration = 18
  case interface = 19
  case notice = 20
  case problem = 21
  case tokenRefused = 22

  public var level: LogLevel {
    switch self {
    case .started, .ended, .configuration, .budgetFresh, .notice, .pathUp, .peerConnected: .notice
    case .socketOpened, .limitation, .nameResolved, .pathFound, .pathMoved, .oracle, .interface: .information
    case .peerRekeyed: .debug
    case .peerDisconnected, .pathDown, .relayRefused, .budgetSpent, .budgetNotKept, .tokenRefused: .warning
    case .problem: .error
    }
  }

  /// "path-down"
  public var name: String {
    var name = ""
    for letter in "\(self)" {
      if letter.isUppercase { name += "-" }
      name += letter.lowercased()
    }
    return name
  }

  /// 128 bits: the first 112 were drawn once for all our programs.
  public var messageID: String {
    let digits = String(rawValue, radix: 16)
    return "6f1d2c8e9b7a4450b3c19e02d5a7" + String(repeating: "0", count: 4 - digits.count) + digits
  }
}
