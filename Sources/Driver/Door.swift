//  Door.swift — a socket that was opened and is not in the loop yet: what can be refused is refused before anything is
//  changed.

import Configuration
import Engine
import Primitives
import Ring
import Underlay

final class Door {
  let place: Int
  private var socket: UDPSocket?

  /// Of a path, or of a way over relays that uses its interface.
  init(
    _ place: Int, of path: GatewayConfiguration.Path, _ configuration: GatewayConfiguration,
    patience: Interval = .seconds(2)
  ) throws(GatewayFailure) {
    if let address = path.bind, !UDPSocket.isOurs(address) {
      throw GatewayFailure(
        "Path \"\(path.name)\": Bind = \(address) is no address of this machine; "
          + "look with `ip address show dev \(path.interface)`")
    }
    let port = place < LocalPlaces.mostPaths ? path.port ?? configuration.listenPort ?? 0 : 0
    self.place = place
    socket = try Gateway.attempt { () throws(UnderlayFailure) in
      try UDPSocket.open(interface: path.interface, port: port, patience: patience)
    }
  }

  func take() -> UDPSocket {
    guard let socket = socket.take() else { preconditionFailure("a socket is taken once") }
    return socket
  }
}

extension GatewayLoop {
  /// A place has something to read into: all that a socket which is open already can still be refused.
  mutating func makeRoom(for door: Door) throws(GatewayFailure) {
    if sockets[door.place].hasBuffers { return }
    sockets[door.place].buffers = try Gateway.buffers(
      GatewayLoop.socketBuffers, ReceivedDatagrams.bufferLength, in: &ring)
  }

  mutating func open(_ door: Door) {
    precondition(sockets[door.place].hasBuffers, "there is room for it")
    sockets[door.place].open(door.take())
  }
}
