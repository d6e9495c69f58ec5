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
//  waiting.
//  (3) After `end`, or when the listener is gone, `send` says false.

import CMicrohttpd
import Glibc

public final class HTTPStream: @unchecked Sendable {
  /// A listener of a fleet's map gets some kilobytes a second: minutes of it.
  public static let mostWaiting = 1 << 20

  // MHD_CONTENT_READER_END_OF_STREAM and _WITH_ERROR, which are macros with a cast.
  private static let over = -1
  private static let broken = -2

  // Everything below is used only with the lock held.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var waiting: [UInt8] = []
  private var isEnded = false
  private var isCut = false
  private var connection: OpaquePointer?
  private var isSuspended = false

  public init() {
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }

  /// False: nobody listens any more.
  @discardableResult
  public func send(_ text: String) -> Bool {
    locked {
      if isEnded || isCut { return false }
      if waiting.count + text.utf8.count > HTTPStream.mostWaiting { isCut = true } else { waiting += text.utf8 }
      wake()
      return !isCut
    }
  }

  /// What was sent still goes out; then the connection closes.
  public func end() {
    locked {
      isEnded = true
      wake()
    }
  }

  public var isOpen: Bool { locked { !isEnded && !isCut } }

  private func wake() {
    guard isSuspended, let connection else { return }
    isSuspended = false
    MHD_resume_connection(connection)
  }

  // MARK: The server's thread

  func begin(on connection: OpaquePointer) { locked { self.connection = connection } }

  /// The listener is gone, or was told everything.
  func closed() {
    locked {
      isEnded = true
      connection = nil
      waiting = []
    }
  }

  /// How many bytes there are for him now; 0: none yet, and he is suspended.
  func read(into room: UnsafeMutableRawBufferPointer) -> Int {
    locked {
      if isCut { return HTTPStream.broken }
      if waiting.isEmpty {
        if isEnded { return HTTPStream.over }
        guard let connection else { return HTTPStream.broken }
        isSuspended = true
        MHD_suspend_connection(connection)
        return 0
      }
      let count = min(waiting.count, room.count)
      waiting.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      waiting.removeFirst(count)
      return count
    }
  }
}
