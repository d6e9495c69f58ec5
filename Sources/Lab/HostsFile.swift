//  HostsFile.swift — what the nodes of a topology see as /etc/hosts: each other.

import Glibc
import Topology

struct HostsFile {
  /// `hq` is its main address; `hq.lte` is its end of that link.
  let text: String

  init(_ topology: Topology, _ addresses: AddressPlan) {
    var machine = [CChar](repeating: 0, count: 256)
    gethostname(&machine, machine.count - 1)
    let own = String(terminated: machine)
    // Programs that ask for the machine's own name (sudo does) get an answer, unless a node is called so.
    let local = own.isEmpty || topology.node(named: own) != nil ? "localhost" : "localhost \(own)"
    var lines = ["127.0.0.1 \(local)", "::1 \(local)"]
    func add(_ name: String, _ interface: AddressPlan.Interface, carriesIPv6: Bool) {
      lines.append("\(interface.ipv4) \(name)")
      if carriesIPv6 { lines.append("\(interface.ipv6) \(name)") }
    }
    for (node, value) in topology.nodes.enumerated() {
      let links = topology.links(at: node)
      if let interface = addresses.mainInterface(of: node) {
        add(value.name, interface, carriesIPv6: value.behind != nil || topology.links[links[0]].carriesIPv6)
      }
      for link in links {
        add(
          "\(value.name).\(topology.links[link].name)", addresses.interface(of: link, at: node),
          carriesIPv6: topology.links[link].carriesIPv6)
      }
    }
    text = lines.joined(separator: "\n") + "\n"
  }
}
