//  GatewayPlan.swift — everything that a gateway needs to know before it starts: its checked configuration with all
//  secrets, and the peers' names as addresses.
//
//  A name that has no address now is no reason not to start: at boot the resolver is often later than we are. It is
//  told, and whoever runs the gateway asks again.

import Configuration
import Glibc
import Primitives
import Sealing

struct GatewayPlan {
  /// Every secret in it is held.
  let configuration: GatewayConfiguration
  let publicKey: PublicKey
  /// For each peer what its endpoints are now, in the order of the file.
  let endpoints: [[ResolvedEndpoint]]
  /// Those that have no address now, with the place of their peer.
  let unresolved: [(peer: Int, endpoint: GatewayConfiguration.Endpoint)]

  init(configuredBy path: String) throws(Refusal) {
    let loaded: LoadedConfiguration
    do throws(LoadedConfiguration.Objections) {
      loaded = try LoadedConfiguration(path)
    } catch {
      throw Refusal(error.text, exitCode: error.exitCode)
    }
    configuration = loaded.gateway
    publicKey = loaded.publicKey
    var endpoints: [[ResolvedEndpoint]] = []
    var unresolved: [(peer: Int, endpoint: GatewayConfiguration.Endpoint)] = []
    for (index, peer) in loaded.gateway.peers.enumerated() {
      var found: [ResolvedEndpoint] = []
      for (item, endpoint) in peer.endpoints.enumerated() {
        do throws(EndpointNames.Failure) {
          found += try EndpointNames.resolve(endpoint)
        } catch {
          let sentence = "Endpoint = \(endpoint): \(error.reason); it is asked again while the gateway runs"
          unresolved.append((index, endpoint))
          Output.complain(loaded.file.mistake(.peer(index), "Endpoint", item: item, sentence).description)
        }
      }
      endpoints.append(found)
    }
    self.endpoints = endpoints
    self.unresolved = unresolved
  }
}

struct ResolvedEndpoint: Hashable, Sendable {
  let address: IPAddress
  let port: UInt16
}

enum EndpointNames {
  struct Failure: Error {
    /// "Name or service not known"
    let reason: String
  }

  /// All addresses of an endpoint, in the resolver's order. Blocks for as long as the resolver does.
  static func resolve(_ endpoint: GatewayConfiguration.Endpoint) throws(Failure) -> [ResolvedEndpoint] {
    let name: String
    switch endpoint.host {
    case .address(let address): return [ResolvedEndpoint(address: address, port: endpoint.port)]
    case .name(let text): name = text
    }
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(name, nil, &hints, &list)
    if code != 0 { throw Failure(reason: String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(list) }
    var found: [ResolvedEndpoint] = []
    var next = list
    while let entry = next {
      if let address = IPAddress(entry.pointee) {
        found.append(ResolvedEndpoint(address: address, port: endpoint.port))
      }
      next = entry.pointee.ai_next
    }
    if found.isEmpty { throw Failure(reason: "it has no address") }
    return found
  }
}

extension IPAddress {
  /// Out of a resolver's answer; nil for other families.
  fileprivate init?(_ entry: addrinfo) {
    guard let address = entry.ai_addr else { return nil }
    switch entry.ai_family {
    case AF_INET:
      self = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        withUnsafeBytes(of: $0.pointee.sin_addr) { IPAddress(bytes: $0) }
      }
    case AF_INET6:
      self = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
        withUnsafeBytes(of: $0.pointee.sin6_addr) { IPAddress(bytes: $0) }
      }
    default: return nil
    }
  }
}
