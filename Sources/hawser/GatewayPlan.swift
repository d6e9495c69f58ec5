//  GatewayPlan.swift — everything that a gateway needs to know before it starts: its checked configuration with all
//  secrets, and the peers' names as addresses.
//
//  A name that has no address now is no reason not to start: at boot the resolver is often later than we are. It is
//  told, and whoever runs the gateway asks again.

import Configuration
import Primitives
import Sealing
import Underlay

struct GatewayPlan {
  /// Every secret in it is held.
  let configuration: GatewayConfiguration
  let publicKey: PublicKey
  /// For each peer what its endpoints are now, in the order of the file.
  let endpoints: [[Endpoint]]
  /// Those that have no address now, with the place of their peer.
  let unresolved: [(peer: Int, name: EndpointText)]

  init(configuredBy path: String) throws(Refusal) {
    let loaded: LoadedConfiguration
    do throws(LoadedConfiguration.Objections) {
      loaded = try LoadedConfiguration(path)
    } catch {
      throw Refusal(error.text, exitCode: error.exitCode)
    }
    configuration = loaded.gateway
    publicKey = loaded.publicKey
    var endpoints: [[Endpoint]] = []
    var unresolved: [(peer: Int, name: EndpointText)] = []
    for (index, peer) in loaded.gateway.peers.enumerated() {
      var found: [Endpoint] = []
      for (item, endpoint) in peer.endpoints.enumerated() {
        do throws(UnderlayFailure) {
          found += try Resolution.endpoints(of: endpoint)
        } catch {
          let sentence = "Endpoint = \(endpoint): \(error); it is asked again while the gateway runs"
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
