//  NetlinkSocket.swift — asking the kernel to change its network, and hearing whether it did.
//
//  Why.  A laboratory of 256 namespaces has a million things to set: running `ip` for each would take minutes, and
//  its output is for eyes. rtnetlink takes the same requests as messages, a few microseconds each.
//
//  How.  The socket is made inside a namespace and stays bound to it, whatever thread uses it. Changes are collected
//  into batches, of which only the last change asks for an acknowledgement:
//
//        send  │ change 1 │ change 2 │ … │ change n, acknowledge │ ──────▶ kernel, which works through them in order
//        recv  ◀────── │ error of 2 │ │ done n │
//
//  Errors come unasked, and the last one's answer says that all before it are done. So a batch costs two system
//  calls, and the answers cannot overflow the receive buffer.
//
//  A failed change does not stop those behind it in the same batch. `perform` throws the first failure; who wants all
//  or nothing throws the namespace away, as the lab does.
//
//  Rejected.  An acknowledgement for each (300 of them fill the receive buffer); netlink through io_uring (nobody
//  waits for it in the data path); libmnl's mnl_cb_run (a C callback for each message, with a pointer for its state).
//
//  Always true.  (1) `perform` returns only when the kernel has done all changes. (2) Answers to an earlier,
//  abandoned request are never taken for ours: sequences do not repeat within a socket's life.

internal import CLinux
internal import CMnl
import Glibc
public import Primitives

public struct NetlinkSocket: ~Copyable {
  private let socket: OpaquePointer
  private let outgoing: UnsafeMutableRawBufferPointer
  private let incoming: UnsafeMutableRawBufferPointer
  private var sequence: UInt32 = 0

  /// Should all of a batch fail, each leaves an error of up to 1.3 KB (as the kernel counts) in a receive buffer of
  /// 208 KiB. With 300 it overflows, and which failed first is lost.
  private static let batchCount = 128
  /// Dumps come in pieces of at most 32 KiB.
  private static let answerBytes = 64 << 10
  /// The kernel answers before `send` returns, so this ends only a wait that would be for ever.
  private static let patienceSeconds = 10

  /// A socket that changes the network of this namespace (a descriptor of it), or of the calling thread's.
  public static func open(in namespace: Int32? = nil) throws(NetlinkError) -> NetlinkSocket {
    let kind = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
    let fd: Int32
    if let namespace {
      fd = hawser_socket_in_namespace(namespace, AF_NETLINK, kind, NETLINK_ROUTE)
    } else {
      let made = Glibc.socket(AF_NETLINK, kind, NETLINK_ROUTE)
      fd = made < 0 ? -Glibc.errno : made
    }
    guard fd >= 0 else { throw NetlinkError(operation: "open a netlink socket", errno: -fd) }
    guard let socket = mnl_socket_fdopen(fd), mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 else {
      let error = Glibc.errno
      close(fd)
      throw NetlinkError(operation: "bind a netlink socket", errno: error)
    }
    var on: Int32 = 1
    // Both are refinements (the kernel's words in errors, and errors without our request in them): an older kernel
    // may refuse.
    _ = mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, socklen_t(MemoryLayout<Int32>.size))
    _ = mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, socklen_t(MemoryLayout<Int32>.size))
    var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    return NetlinkSocket(socket: socket)
  }

  private init(socket: OpaquePointer) {
    self.socket = socket
    outgoing = .allocate(byteCount: NetlinkSocket.batchCount * NetlinkEncoder.longest, alignment: 16)
    incoming = .allocate(byteCount: NetlinkSocket.answerBytes, alignment: 16)
  }

  deinit {
    mnl_socket_close(socket)
    outgoing.deallocate()
    incoming.deallocate()
  }

  // MARK: Changes

  public mutating func perform(_ change: NetlinkChange) throws(NetlinkError) { try perform([change]) }

  /// Does all of these in order. Throws the first that failed; those behind it may have been done.
  public mutating func perform(_ changes: some Collection<NetlinkChange>) throws(NetlinkError) {
    var rest = changes[...]
    while !rest.isEmpty {
      let batch = rest.prefix(NetlinkSocket.batchCount)
      rest = rest.dropFirst(NetlinkSocket.batchCount)
      try performBatch(batch)
    }
  }

  private mutating func performBatch(_ batch: some Collection<NetlinkChange>) throws(NetlinkError) {
    var used = 0
    for (index, change) in batch.enumerated() {
      sequence &+= 1
      let message = NetlinkEncoder.encode(change, at: outgoing.baseAddress! + used, sequence: sequence)
      if index == batch.count - 1 { message.pointee.nlmsg_flags |= UInt16(NLM_F_ACK) }
      used += aligned(Int(message.pointee.nlmsg_len))
    }
    let operation = batch.count == 1 ? batch.first!.description : "make \(batch.count) changes to the network"
    try send(used, doing: operation)
    if let failure = try failure(ofBatchEndingAt: sequence, count: batch.count, doing: operation) {
      let change = batch[batch.index(batch.startIndex, offsetBy: failure.offset)]
      throw NetlinkError(operation: change.description, errno: failure.errno, explanation: failure.explanation)
    }
  }

  private struct Failure {
    var offset: Int
    var errno: Int32
    var explanation: String?
  }

  /// Reads answers up to the last message's.
  private func failure(ofBatchEndingAt end: UInt32, count: Int, doing operation: String) throws(NetlinkError)
    -> Failure?
  {
    var first: Failure?
    var isDone = false
    while !isDone {
      try receive(doing: operation) { message in
        let offset = Int(message.pointee.nlmsg_seq &- (end &- UInt32(count - 1)))
        guard offset < count, message.pointee.nlmsg_type == UInt16(NLMSG_ERROR), let answer = Answer(message) else {
          return
        }
        if answer.errno != 0 && first == nil {
          first = Failure(offset: offset, errno: answer.errno, explanation: answer.explanation)
        }
        if offset == count - 1 { isDone = true }
      }
    }
    return first
  }

  // MARK: Questions

  /// All interfaces of the namespace.
  public mutating func links() throws(NetlinkError) -> [LinkState] {
    // A dump that something changed meanwhile may miss an interface or have it twice. Once more, then.
    for _ in 0..<16 {
      if let links = try dump() { return links }
    }
    throw NetlinkError(operation: "list the interfaces", errno: EAGAIN, explanation: "they change all the time")
  }

  /// The interface of this name; nil when there is none.
  public mutating func link(named name: String) throws(NetlinkError) -> LinkState? {
    // The kernel takes 15 bytes; a longer name could only match by being cut.
    guard !name.isEmpty, name.utf8.count < Int(IF_NAMESIZE) else { return nil }
    let header = startLinkQuestion(flags: NLM_F_ACK)
    mnl_attr_put_strz(header, UInt16(IFLA_IFNAME), name)
    return try ask(header, "look up the interface \(name)", nothing: [ENODEV]) { LinkState(message: $0) }
  }

  /// The interface with this index; nil when there is none.
  public mutating func link(_ index: InterfaceIndex) throws(NetlinkError) -> LinkState? {
    let header = startLinkQuestion(flags: NLM_F_ACK, index: index)
    return try ask(header, "look up the interface \(index)", nothing: [ENODEV]) { LinkState(message: $0) }
  }

  /// Which way the kernel would send a packet to this address now, with this address of ours as its source if there is
  /// one; nil when it would not.
  public mutating func route(to address: IPAddress, from source: IPAddress? = nil) throws(NetlinkError) -> ChosenRoute?
  {
    let header = startQuestion(RTM_GETROUTE, flags: NLM_F_ACK)
    var subject = rtmsg()
    subject.rtm_family = address.family.rawValue
    subject.rtm_dst_len = UInt8(address.family.bitCount)
    if let source { subject.rtm_src_len = UInt8(source.family.bitCount) }
    mnl_nlmsg_put_extra_header(header, MemoryLayout<rtmsg>.size)!.storeBytes(of: subject, as: rtmsg.self)
    mnl_attr_put(header, UInt16(RTA_DST.rawValue), address.byteCount, address.bytes)
    if let source { mnl_attr_put(header, UInt16(RTA_SRC.rawValue), source.byteCount, source.bytes) }
    let nothing = [ENETUNREACH, EHOSTUNREACH]
    return try ask(header, "find the route to \(address)", nothing: nothing) { ChosenRoute(message: $0) }
  }

  mutating func startQuestion(_ type: some BinaryInteger, flags: Int32) -> UnsafeMutablePointer<nlmsghdr> {
    sequence &+= 1
    let header = mnl_nlmsg_put_header(outgoing.baseAddress!)!
    header.pointee.nlmsg_type = UInt16(type)
    header.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST | flags)
    header.pointee.nlmsg_seq = sequence
    return header
  }

  private mutating func startLinkQuestion(flags: Int32, index: InterfaceIndex? = nil)
    -> UnsafeMutablePointer<nlmsghdr>
  {
    let header = startQuestion(RTM_GETLINK, flags: flags)
    var subject = ifinfomsg()
    subject.ifi_index = index?.value ?? 0
    mnl_nlmsg_put_extra_header(header, MemoryLayout<ifinfomsg>.size)!.storeBytes(of: subject, as: ifinfomsg.self)
    return header
  }

  /// Sends a question with one answer. An error of `nothing` says that there is none.
  func ask<Found>(
    _ question: UnsafeMutablePointer<nlmsghdr>, _ operation: String, nothing: [Int32],
    _ read: (UnsafePointer<nlmsghdr>) -> Found?
  ) throws(NetlinkError) -> Found? {
    try send(Int(question.pointee.nlmsg_len), doing: operation)
    var found: Found?
    var answer: Answer?
    while answer == nil {
      try receive(doing: operation) { message in
        guard message.pointee.nlmsg_seq == sequence else { return }
        if message.pointee.nlmsg_type == UInt16(NLMSG_ERROR) {
          answer = Answer(message)
        } else {
          found = read(message)
        }
      }
    }
    guard let answer, answer.errno != 0 else { return found }
    if nothing.contains(answer.errno) { return nil }
    throw NetlinkError(operation: operation, errno: answer.errno, explanation: answer.explanation)
  }

  /// All of a kind. What something changed meanwhile may be missing or there twice: an event follows.
  mutating func dump(
    _ type: some BinaryInteger, subjectLength: Int, _ operation: String, _ read: (UnsafePointer<nlmsghdr>) -> Void
  ) throws(NetlinkError) {
    let header = startQuestion(type, flags: NLM_F_DUMP)
    _ = mnl_nlmsg_put_extra_header(header, subjectLength)
    try send(Int(header.pointee.nlmsg_len), doing: operation)
    var failure: Answer?
    var isDone = false
    while !isDone {
      try receive(doing: operation) { message in
        guard message.pointee.nlmsg_seq == sequence else { return }
        switch Int32(message.pointee.nlmsg_type) {
        case NLMSG_ERROR: (failure, isDone) = (Answer(message), true)
        case NLMSG_DONE: isDone = true
        default: read(message)
        }
      }
    }
    if let failure { throw NetlinkError(operation: operation, errno: failure.errno, explanation: failure.explanation) }
  }

  private mutating func dump() throws(NetlinkError) -> [LinkState]? {
    let operation = "list the interfaces"
    let question = startLinkQuestion(flags: NLM_F_DUMP)
    try send(Int(question.pointee.nlmsg_len), doing: operation)
    var links: [LinkState] = []
    var failure: Answer?
    var isDone = false
    var wasInterrupted = false
    while !isDone {
      try receive(doing: operation) { message in
        guard message.pointee.nlmsg_seq == sequence else { return }
        if message.pointee.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 { wasInterrupted = true }
        switch Int32(message.pointee.nlmsg_type) {
        case NLMSG_ERROR: (failure, isDone) = (Answer(message), true)
        case NLMSG_DONE: isDone = true
        case Int32(RTM_NEWLINK): if let link = LinkState(message: message) { links.append(link) }
        default: break
        }
      }
    }
    if let failure { throw NetlinkError(operation: operation, errno: failure.errno, explanation: failure.explanation) }
    return wasInterrupted ? nil : links
  }

  // MARK: The socket

  private func send(_ count: Int, doing operation: String) throws(NetlinkError) {
    while mnl_socket_sendto(socket, outgoing.baseAddress, count) < 0 {
      if errno != EINTR { throw NetlinkError(operation: operation, errno: errno) }
    }
  }

  /// Waits for one datagram and hands its messages over.
  private func receive(doing operation: String, _ body: (UnsafePointer<nlmsghdr>) -> Void) throws(NetlinkError) {
    var count = mnl_socket_recvfrom(socket, incoming.baseAddress, incoming.count)
    while count < 0 && errno == EINTR { count = mnl_socket_recvfrom(socket, incoming.baseAddress, incoming.count) }
    if count < 0 {
      throw NetlinkError(operation: operation, errno: errno == EAGAIN ? ETIMEDOUT : errno)
    }
    var left = Int32(count)
    var message = UnsafePointer(incoming.baseAddress!.assumingMemoryBound(to: nlmsghdr.self))
    while mnl_nlmsg_ok(message, left) {
      body(message)
      message = UnsafePointer(mnl_nlmsg_next(message, &left))
    }
  }
}

// MARK: Answers

/// An acknowledgement: 0, or an errno and perhaps a sentence.
private struct Answer {
  var errno: Int32
  var explanation: String?

  init?(_ message: UnsafePointer<nlmsghdr>) {
    let length = MemoryLayout<nlmsgerr>.size
    guard mnl_nlmsg_get_payload_len(message) >= length, let payload = mnl_nlmsg_get_payload(message) else { return nil }
    errno = -payload.loadUnaligned(as: Int32.self)
    guard message.pointee.nlmsg_flags & UInt16(NLM_F_ACK_TLVS) != 0 else { return }
    // Without NETLINK_CAP_ACK the whole request stands between the error and its explanation.
    let request = payload.loadUnaligned(fromByteOffset: MemoryLayout<Int32>.size, as: nlmsghdr.self)
    let isCapped = message.pointee.nlmsg_flags & UInt16(NLM_F_CAPPED) != 0
    let skip = isCapped ? length : length - MemoryLayout<nlmsghdr>.size + aligned(Int(request.nlmsg_len))
    var words: String?
    forEachAttribute(of: message, after: skip) { type, value in
      if UInt32(type) == NLMSGERR_ATTR_MSG.rawValue {
        words = String(decoding: value.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    explanation = words
  }
}

private func aligned(_ length: Int) -> Int { (length + 3) & ~3 }
