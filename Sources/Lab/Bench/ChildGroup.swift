//  ChildGroup.swift — several programs that run together, read together, and end together.
//
//  A measurement is three programs at once (iperf3 at both ends, and a ping). Whoever waits for one must read the
//  others, or one of them fills its pipe and stops; and must notice a signal and the half-second at which progress is
//  due. So there is one place that waits for everything.
//
//  Every wait has an end, every output a bound. Programs that still run when the group goes are killed.

import Glibc
import POSIX
public import Primitives

public final class ChildGroup {
  /// What no program that we start has to say more than: iperf3's report is 2 KB, a day's pings are 100 KB.
  private static let mostOutput = 8 << 20

  private struct Member {
    var child: ChildProcess
    var output: [UInt8] = []
    var errorOutput: [UInt8] = []
    var isOutputOpen: Bool
    var isErrorOpen: Bool
    var status: ChildProcess.Status?
  }

  private var members: [Member] = []
  private let interruption: Interruption

  init(_ interruption: Interruption) { self.interruption = interruption }

  /// Starts a program; the answer is its number in the group.
  public func start(
    _ command: [String], in namespace: Namespace, environment: [String: String] = [:]
  ) throws(LabError) -> Int {
    var options = ChildProcess.Options()
    options.hasOwnSession = true
    options.environment = environment
    let child = try ChildProcess.spawn(command, in: namespace, options: options)
    members.append(Member(child: child, isOutputOpen: child.output != nil, isErrorOpen: child.errorOutput != nil))
    return members.count - 1
  }

  public func output(of number: Int) -> [UInt8] { members[number].output }

  /// What it had to say against us, in one line.
  public func complaint(of number: Int) -> String {
    let text = String(decoding: members[number].errorOutput, as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).joined(separator: "; ")
  }

  public func status(of number: Int) -> ChildProcess.Status? { members[number].status }

  public func send(signal: Int32, to number: Int) { members[number].child.send(signal: signal) }

  /// Reads and waits until `isDone`, or until the time is over; the answer is whether it was done. `tick` is called
  /// every half second.
  public func wait(
    atMost patience: Interval, tick: () throws(LabError) -> Void = {}, until isDone: (ChildGroup) -> Bool
  ) throws(LabError) -> Bool {
    let start = MonotonicClock.now
    var nextTick = start + .milliseconds(500)
    while true {
      try interruption.check()
      if isDone(self) { return true }
      let now = MonotonicClock.now
      if now - start >= patience { return false }
      if now >= nextTick {
        try tick()
        nextTick += .milliseconds(500)
      }
      waitOnce(until: min(nextTick, start + patience))
    }
  }

  private func waitOnce(until deadline: Instant) {
    var watched = [pollfd(fd: interruption.descriptor, events: Int16(POLLIN), revents: 0)]
    for member in members {
      watched.append(
        pollfd(fd: member.isOutputOpen ? member.child.output ?? -1 : -1, events: Int16(POLLIN), revents: 0))
      watched.append(
        pollfd(fd: member.isErrorOpen ? member.child.errorOutput ?? -1 : -1, events: Int16(POLLIN), revents: 0))
      watched.append(
        pollfd(fd: member.status == nil ? member.child.processDescriptor : -1, events: Int16(POLLIN), revents: 0))
    }
    if poll(&watched, nfds_t(watched.count), millisecondsLeft(until: deadline)) <= 0 { return }
    for index in members.indices {
      let (output, errorOutput, process) = (watched[1 + 3 * index], watched[2 + 3 * index], watched[3 + 3 * index])
      if output.revents != 0 {
        members[index].isOutputOpen = ChildGroup.read(output.fd, into: &members[index].output)
      }
      if errorOutput.revents != 0 {
        members[index].isErrorOpen = ChildGroup.read(errorOutput.fd, into: &members[index].errorOutput)
      }
      // Its last words come before its end counts.
      if process.revents != 0, output.revents == 0, errorOutput.revents == 0 {
        members[index].status = members[index].child.wait(atMost: .zero)
      }
    }
  }

  /// Whether more may come.
  private static func read(_ descriptor: Int32, into buffer: inout [UInt8]) -> Bool {
    var piece = [UInt8](repeating: 0, count: 16 << 10)
    let count = Glibc.read(descriptor, &piece, piece.count)
    if count < 0 { return errno == EINTR || errno == EAGAIN }
    if buffer.count < mostOutput { buffer += piece[..<count] }
    return count > 0
  }
}
