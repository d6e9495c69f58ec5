//  KeptInterface.swift — the virtual interface outlives the process, as long as its service is wanted.
//
//  The service manager keeps a copy of its descriptor (`DescriptorStore`), under the interface's name. A gateway that
//  starts looks there first; what it finds and cannot use is closed and forgotten. Without a service manager there is
//  nothing to find, and the interface goes with the process.
//
//  What is kept is kept before the first packet: a process that is killed a moment later has left it behind, and not
//  half of it.

import Service
import VNIC

enum KeptInterface {
  static func bringUp(
    _ settings: VirtualInterface.Settings, log: Log
  ) throws(InterfaceFailure) -> VirtualInterface {
    var own: Int32?
    for kept in DescriptorStore.take() {
      if kept.name == settings.name && own == nil {
        own = kept.descriptor
      } else {
        // At once, and not when the manager has got round to it: its routes would be in the way.
        VirtualInterface.remove(kept.descriptor, named: kept.name)
        DescriptorStore.forget(kept.name)
      }
    }
    if let own {
      if let interface = try VirtualInterface.adopt(own, settings) {
        log(.interface, "\(settings.name): it was kept while we were away")
        return interface
      }
      DescriptorStore.forget(settings.name)
    }
    let interface = try VirtualInterface.bringUp(settings)
    if let descriptor = interface.descriptors.first { DescriptorStore.keep(descriptor, named: settings.name) }
    return interface
  }
}
