//  DoctorCommand.swift — `hawser doctor`: this machine, and the site that a file or a running gateway tells of.
//
//  Who says nothing means the gateway that runs here, if it is one. A file alone says who the peers are and which key
//  asks them; a running gateway alone says what it found out; both together say most, and the gateway asks nobody
//  twice.

import Commands
import Configuration
import Control
import Crypto
import Doctor
import Driver
import Glibc
import JSON
import Primitives
import Sealing
import Underlay

extension Hawser {
  static func doctor(_ invocation: Invocation) throws(Refusal) -> Int32 {
    let site = try SiteInquiry(invocation).site
    let report = Report(examine(hasSite: site?.paths.isEmpty == false), site: site)
    Output.write(invocation[Words.json] ? report.json : report.text(colour: wantsColour))
    return report.exitCode
  }
}

private struct SiteInquiry {
  /// nil: nobody has asked about one, and no gateway runs.
  private(set) var site: Report.Site?

  init(_ invocation: Invocation) throws(Refusal) {
    let said = (socket: invocation[Words.socket], interface: invocation[Words.flowInterface])
    guard let path = invocation[Words.configFile] else {
      site = try SiteInquiry.running(said.socket, said.interface)
      return
    }
    do throws(LoadedConfiguration.Objections) {
      site = SiteInquiry.configured(try LoadedConfiguration(path, needsInterfaces: false), path, said.socket)
    } catch {
      site = SiteInquiry.refused(error, path)
    }
  }

  // MARK: By the gateway that runs

  private static func running(_ socket: String?, _ interface: String?) throws(Refusal) -> Report.Site? {
    let isMeant = socket != nil || interface != nil
    do throws(ControlFailure) {
      let running = try ask(try Hawser.socket(socket, interface))
      return examined(Site(running), "\(running.interface), by the gateway that runs", nil)
    } catch {
      if isMeant { throw Refusal("hawser: \(error)", exitCode: 2) }
      switch error {
      case .none, .nobody: return nil
      default:
        return Report.Site(
          title: "a gateway that runs", paths: [],
          diagnoses: [
            .warning("gateway", "it cannot be asked: \(error)", remedy: "hawser doctor --socket PATH, as root")
          ])
      }
    }
  }

  private static func ask(_ socket: String) throws(ControlFailure) -> RunningGateway {
    let answer = try ControlClient.get("/v1/status", at: socket, asText: false)
    guard answer.status == 200, let status = try? JSONValue(reading: answer.body, limits: Hawser.answerLimits),
      let running = RunningGateway(status)
    else { throw .strange(path: socket) }
    return running
  }

  /// The one with this key, wherever it listens.
  private static func find(_ key: PublicKey, _ sockets: [String]) -> RunningGateway? {
    for socket in sockets { if let running = try? ask(socket), running.publicKey == key { return running } }
    return nil
  }

  // MARK: By a file

  private static func configured(_ loaded: LoadedConfiguration, _ path: String, _ socket: String?) -> Report.Site {
    let gateway = loaded.gateway
    var site = Site(interface: gateway.interface)
    site.privateKey = gateway.privateKey.secret
    site.files = loaded.filePaths
    site.socket = gateway.controlSocket
    site.peers = gateway.peers.map { peer($0.name, $0.publicKey, $0.presharedKey, $0.endpoints) }
    site.peers += gateway.relays.map { peer("relay \($0.name)", $0.publicKey, $0.presharedKey, $0.endpoints) }
    let named = getenv("HAWSER_SOCKET").map { String(cString: $0) }
    let sockets = [socket, gateway.controlSocket, named].compactMap { $0 }
    let others = ControlClient.sockets(in: GatewayConfiguration.socketDirectory).filter { !sockets.contains($0) }
    site.running = find(loaded.publicKey, sockets + others)
    let remotes = site.peers.flatMap(\.endpoints).map(\.address)
    let facts = SiteExamination.interfaces(reaching: remotes, own: gateway.interface)
    site.paths = gateway.expanded(over: facts).paths.map {
      Site.Path(name: $0.name, interface: $0.interface, bind: $0.bind, port: $0.port ?? gateway.listenPort)
    }
    let by = site.running == nil ? "\(path); no gateway runs with its key" : "\(path) and the gateway that runs"
    return examined(site, "\(gateway.interface), by \(by)", try? LibraryCryptography.make())
  }

  private static func peer(
    _ name: String, _ key: PublicKey, _ shared: KeySource?, _ endpoints: [EndpointText]
  ) -> Site.Peer {
    var peer = Site.Peer(name: name, publicKey: key, presharedKey: shared?.secret)
    for text in endpoints {
      do throws(UnderlayFailure) {
        peer.endpoints += try Resolution.endpoints(of: text)
      } catch {
        peer.unresolved.append("\(text)")
      }
    }
    return peer
  }

  private static func examined(_ site: Site, _ title: String, _ cryptography: LibraryCryptography?) -> Report.Site {
    Report.Site(
      title: title, paths: site.paths.map(\.name), diagnoses: SiteExamination.examine(site, cryptography))
  }

  /// More is told by check-config.
  private static let mostMistakes = 12

  private static func refused(_ objections: LoadedConfiguration.Objections, _ path: String) -> Report.Site {
    let mistakes = (objections.wrong + objections.refused).prefix(mostMistakes)
    let diagnoses = mistakes.map {
      Diagnosis.failure("configuration", "\($0)", remedy: "mend that line; hawser check-config \(path) tells all")
    }
    return Report.Site(title: path, paths: [], diagnoses: diagnoses)
  }
}
