//  Resolution.swift — what a peer's name stands for.
//
//  It asks name servers and may take seconds: never in the loop, but on a thread of its own.

import Glibc
public import Primitives

public enum Resolution {
  /// Where somebody is who is written so.
  public static func endpoints(of text: EndpointText) throws(UnderlayFailure) -> [Endpoint] {
    switch text {
    case .address(let endpoint): [endpoint]
    case .name(let host, let port): try endpoints(ofHost: host, port: port)
    }
  }

  /// The addresses of `host`, in the order in which the system prefers them; at least one.
  public static func endpoints(ofHost host: String, port: UInt16) throws(UnderlayFailure) -> [Endpoint] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    var result = getaddrinfo(host, String(port), &hints, &list)
    if result == EAI_NONAME || result == EAI_ADDRFAMILY {
      // A machine with nothing but a loopback interface has no family configured; literal addresses are there all the
      // same.
      hints.ai_flags = 0
      result = getaddrinfo(host, String(port), &hints, &list)
    }
    guard result == 0 else { throw UnderlayFailure(.resolve(host), errno: result) }
    defer { freeaddrinfo(list) }
    var endpoints: [Endpoint] = []
    var next = list
    while let entry = next?.pointee {
      next = entry.ai_next
      guard let address = entry.ai_addr,
        let endpoint = SocketAddress.read(UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen))),
        !endpoints.contains(endpoint)
      else { continue }
      endpoints.append(endpoint)
    }
    guard !endpoints.isEmpty else { throw UnderlayFailure(.resolve(host), errno: EAI_NONAME) }
    return endpoints
  }
}
