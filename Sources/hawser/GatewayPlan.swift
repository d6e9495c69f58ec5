//  GatewayPlan.swift — everything that a gateway needs to know before it starts: its checked configuration with all
//  secrets, and the peers' names as addresses.
//
//  A name that has no address now is no reason not to start: at boot the resolver is often later than we are. It is
//  told, and whoever runs the gateway asks again.

import Configuration
import Control
import Primitives
import Sealing
import Underlay

struct GatewayPlan {
  /// Every secret in it is held.
  let configuration: GatewayConfiguration
  let publicKey: PublicKey
  let remoteControl: ControlServer.Remote?
  /// For each peer what its endpoints are now, in the order of the file, and behind them for each relay.
  let endpoints: [[Endpoint]]
  /// Those that have no address now, with the place of their peer; relays come behind the peers.
  let unresolved: [(peer: Int, name: EndpointText)]

  /// From what was read before, if it was, with `overlay` laid over it.
  init(
    configuredBy path: String, from material: ReadMaterial = ReadMaterial(), under overlay: Overlay = Overlay()
  ) throws(Refusal) {
    let loaded: LoadedConfiguration
    do throws(LoadedConfiguration.Objections) {
      loaded = try LoadedConfiguration(path, from: material, under: overlay, needsInterfaces: false)
    } catch {
      throw Refusal(error.text, exitCode: error.exitCode)
    }
    configuration = loaded.gateway
    publicKey = loaded.publicKey
    remoteControl = loaded.remoteControl
    var endpoints: [[Endpoint]] = []
    var unresolved: [(peer: Int, name: EndpointText)] = []
    let all =
      loaded.gateway.peers.enumerated().map { ($1.endpoints, ConfigurationFile.Part.peer($0)) }
      + loaded.gateway.relays.enumerated().map { ($1.endpoints, ConfigurationFile.Part.relay($0)) }
    for (index, (texts, part)) in all.enumerated() {
      var found: [Endpoint] = []
      for (item, endpoint) in texts.enumerated() {
        let (answer, isNew) = material.endpoints(of: endpoint)
        switch answer {
        case .success(let endpoints): found += endpoints
        case .failure(let failure):
          unresolved.append((index, endpoint))
          if !isNew { continue }
          let sentence = "Endpoint = \(endpoint): \(failure); it is asked again while the gateway runs"
          Output.complain(loaded.file.mistake(part, "Endpoint", item: item, sentence).description)
        }
      }
      endpoints.append(found)
    }
    material.keep(only: all.flatMap(\.0))
    self.endpoints = endpoints
    self.unresolved = unresolved
  }
}
