//  HTTPStream.swift — an answer that goes on: what happens is told to whoever listens, until one of the two has enough.
//
//  How.  The handler makes one and returns it as its answer's body. From then on any thread may `send`; the server's
//  own thread takes what waits and writes it. While nothing waits the connection is suspended, so a thousand listeners
//  cost a thousand descriptors and no time:
//
//      send("…") ─▶ waiting ─▶ resume ─▶ server's thread: read ─▶ socket
//                      │                        │ nothing left
//                      │ more than mostWaiting  └──▶ suspend
//                      └──▶ cut off: he reads more slowly than it happens
//
//  Always true.  (1) Whoever does not read is cut off and not waited for. (2) A suspended connection has nothing
//  waiting. (3) After `end`, or when the listener is gone, `send` says false.

import CMicrohttpd
import POSIX

public final class HTTPStream: Sendable {
  /// A listener of a fleet's map gets some kilobytes a second: minutes of it.
  public static let usualMost = 1 << 20

  // MHD_CONTENT_READER_END_OF_STREAM and _WITH_ERROR, which are macros with a cast.
  private static let over = -1
  private static let broken = -2

  private struct State {
    var waiting: [UInt8] = []
    /// Of them, from the first one on: to move the rest with each piece would cost more than all else.
    var taken = 0
    var isEnded = false
    var isCut = false
    /// The library's, by its address. It lives until `closed`.
    var connection: UInt?
    var isSuspended = false

    var library: OpaquePointer? { connection.flatMap { OpaquePointer(bitPattern: $0) } }

    mutating func wake() {
      guard isSuspended, let library else { return }
      isSuspended = false
      MHD_resume_connection(library)
    }
  }

  private let state = Locked(State())

  private let mostWaiting: Int

  /// Whoever leaves so many bytes waiting is cut off.
  public init(atMost mostWaiting: Int = HTTPStream.usualMost) { self.mostWaiting = mostWaiting }

  /// False: nobody listens any more.
  @discardableResult
  public func send(_ text: String) -> Bool {
    state.withLock { state in
      if state.isEnded || state.isCut { return false }
      if state.waiting.count - state.taken + text.utf8.count > mostWaiting {
        state.isCut = true
      } else {
        state.waiting += text.utf8
      }
      state.wake()
      return !state.isCut
    }
  }

  /// What was sent still goes out; then the connection closes.
  public func end() {
    state.withLock { state in
      state.isEnded = true
      state.wake()
    }
  }

  public var isOpen: Bool { state.withLock { !$0.isEnded && !$0.isCut } }

  // MARK: The server's thread

  func begin(on connection: OpaquePointer) {
    let address = UInt(bitPattern: connection)
    state.withLock { $0.connection = address }
  }

  /// The listener is gone, or was told everything.
  func closed() {
    state.withLock { state in
      state.isEnded = true
      state.connection = nil
      (state.waiting, state.taken) = ([], 0)
    }
  }

  /// How many bytes there are for him now; 0: none yet, and he is suspended.
  func read(into room: UnsafeMutableRawBufferPointer) -> Int {
    switch take(atMost: room.count) {
    case .nothing: return 0
    case .over: return HTTPStream.over
    case .broken: return HTTPStream.broken
    case .bytes(let bytes):
      room.copyBytes(from: bytes)
      return bytes.count
    }
  }

  private enum Taking: Sendable {
    case nothing
    case over
    case broken
    case bytes([UInt8])
  }

  private func take(atMost count: Int) -> Taking {
    state.withLock { state in
      if state.isCut { return .broken }
      if state.taken == state.waiting.count {
        (state.waiting, state.taken) = ([], 0)
        if state.isEnded { return .over }
        guard let library = state.library else { return .broken }
        state.isSuspended = true
        MHD_suspend_connection(library)
        return .nothing
      }
      let end = min(state.waiting.count, state.taken + count)
      let bytes = Array(state.waiting[state.taken..<end])
      state.taken = end
      // Whoever always has something waiting for him keeps what he has taken for as long as it is the lesser part.
      if state.taken > HTTPStream.usualMost && state.taken > state.waiting.count / 2 {
        state.waiting.removeFirst(state.taken)
        state.taken = 0
      }
      return .bytes(bytes)
    }
  }
}
