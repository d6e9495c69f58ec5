//  Datagrams.swift — a sender and a receiver of UDP that cost as little as they can, so that the gateways have the
//  rest.
//
//  Flows differ by ports: so many sockets send to so many ports, each pair is a flow, and each flow gets a burst before
//  the next has its turn. A thousand sockets and a hundred ports are 100,000 flows. Handed over at once (`--pieces`),
//  the kernel cuts one write into packets, or carries it as a super-packet as far as it can.
//
//  Both print what they counted, in packets.

import Commands
import Glibc
import Primitives
import Synchronization

/// linux/udp.h
private let udpLevel: Int32 = 17
private let segmentOption: Int32 = 103
private let joinOption: Int32 = 104

private func fail(_ doing: String) -> Int32 {
  put("pipe-bench: cannot \(doing): \(String(cString: strerror(errno)))\n", to: STDERR_FILENO)
  return 1
}

private func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int) -> Bool {
  var value = Int32(value)
  return setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}

private func makeSocket() -> Int32 { socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) }

struct Sender {
  private let target: String
  private let firstPort, ports, sockets, size, pieces, burst, seconds, rate: Int

  init(_ invocation: Invocation) {
    target = invocation[Words.target]
    firstPort = invocation[Words.port]
    ports = invocation[Words.ports]
    sockets = invocation[Words.sockets]
    size = invocation[Words.size]
    pieces = invocation[Words.pieces]
    burst = invocation[Words.burst]
    seconds = invocation[Words.seconds]
    rate = invocation[Words.rate]
  }

  func run() -> Int32 {
    var address = in_addr()
    guard inet_pton(AF_INET, target, &address) == 1 else {
      put("pipe-bench send: \"\(target)\" is no IPv4 address\n", to: STDERR_FILENO)
      return 64
    }
    var descriptors: [Int32] = []
    for _ in 0..<sockets {
      let descriptor = makeSocket()
      if descriptor < 0 { return fail("make a socket") }
      if pieces > 1 && !set(descriptor, udpLevel, segmentOption, size) { return fail("hand over packets at once") }
      descriptors.append(descriptor)
    }
    let length = size * pieces
    let payload = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
    payload.initializeMemory(as: UInt8.self, repeating: 0x5a, count: length)
    let piece = UnsafeMutablePointer<iovec>.allocate(capacity: 1)
    piece.initialize(to: iovec(iov_base: payload, iov_len: length))
    let name = UnsafeMutablePointer<sockaddr_in>.allocate(capacity: 1)
    name.initialize(to: sockaddr_in())
    name.pointee.sin_family = sa_family_t(AF_INET)
    name.pointee.sin_addr = address
    let messages = UnsafeMutablePointer<mmsghdr>.allocate(capacity: burst)
    for index in 0..<burst {
      var message = mmsghdr()
      message.msg_hdr.msg_iov = piece
      message.msg_hdr.msg_iovlen = 1
      message.msg_hdr.msg_name = UnsafeMutableRawPointer(name)
      message.msg_hdr.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
      (messages + index).initialize(to: message)
    }
    return send(descriptors, messages, name)
  }

  private func send(
    _ descriptors: [Int32], _ messages: UnsafeMutablePointer<mmsghdr>, _ name: UnsafeMutablePointer<sockaddr_in>
  ) -> Int32 {
    let start = now()
    let end = start + seconds * 1_000_000_000
    var sent = 0
    var flow = 0
    while true {
      let time = now()
      if time >= end { break }
      // A little early is soon enough: a sleep takes longer than it is told to.
      let due = rate == 0 ? start : start + Int(Double(sent) / Double(rate) * 1e9)
      if due > time + 100_000 {
        usleep(UInt32((due - time) / 1_000))
        continue
      }
      name.pointee.sin_port = in_port_t(firstPort + flow / descriptors.count % ports).bigEndian
      let count = sendmmsg(descriptors[flow % descriptors.count], messages, UInt32(burst), 0)
      if count > 0 {
        sent += Int(count) * pieces
      } else if errno != ENOBUFS && errno != EINTR && errno != ECONNREFUSED {
        return fail("send")
      }
      flow += 1
    }
    put("\(sent)\n", to: STDOUT_FILENO)
    return 0
  }

  private func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}

struct Receiver {
  private static let isOver = Atomic<Bool>(false)
  /// A wake-up of the receiver shall be worth it.
  private static let batch = 64

  private let firstPort, ports, size: Int
  private let isJoined: Bool

  init(_ invocation: Invocation) {
    firstPort = invocation[Words.port]
    ports = invocation[Words.ports]
    size = invocation[Words.size]
    isJoined = invocation[Words.joined]
  }

  func run() -> Int32 {
    signal(SIGTERM) { _ in Receiver.isOver.store(true, ordering: .relaxed) }
    var watched: [pollfd] = []
    for port in firstPort..<(firstPort + ports) {
      let descriptor = makeSocket()
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = in_port_t(port).bigEndian
      let isBound = withUnsafePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      if !isBound { return fail("use port \(port)") }
      if isJoined && !set(descriptor, udpLevel, joinOption, 1) { return fail("take joined packets") }
      // All ports together, so that many are not granted more than one.
      _ = set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, (64 << 20) / ports)
      watched.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    }
    put("ready\n", to: STDOUT_FILENO)
    put("\(receive(&watched))\n", to: STDOUT_FILENO)
    return 0
  }

  /// How many packets came until we were told to end.
  private func receive(_ watched: inout [pollfd]) -> Int {
    let room = isJoined ? 65_536 : size
    let memory = UnsafeMutableRawPointer.allocate(byteCount: room * Receiver.batch, alignment: 64)
    let pieces = UnsafeMutablePointer<iovec>.allocate(capacity: Receiver.batch)
    let messages = UnsafeMutablePointer<mmsghdr>.allocate(capacity: Receiver.batch)
    for index in 0..<Receiver.batch {
      (pieces + index).initialize(to: iovec(iov_base: memory + index * room, iov_len: room))
      var message = mmsghdr()
      message.msg_hdr.msg_iov = pieces + index
      message.msg_hdr.msg_iovlen = 1
      (messages + index).initialize(to: message)
    }
    var packets = 0
    while !Receiver.isOver.load(ordering: .relaxed) {
      if poll(&watched, nfds_t(watched.count), 100) <= 0 { continue }
      for one in watched where one.revents != 0 {
        while true {
          let count = recvmmsg(one.fd, messages, UInt32(Receiver.batch), Int32(MSG_DONTWAIT), nil)
          for message in 0..<max(0, Int(count)) { packets += (Int(messages[message].msg_len) + size - 1) / size }
          if count < Receiver.batch { break }
        }
      }
    }
    return packets
  }
}
