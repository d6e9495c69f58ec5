//  OracleHost.swift — runs an oracle until somebody ends it.

import Glibc
import Primitives
import Service

public enum OracleHost {
  /// Runs until SIGTERM or SIGINT.
  public static func run(_ setup: OracleServer.Setup) throws(OracleFailure) {
    // Threads that are started from now on leave these to us; who reads our answers may be gone.
    signal(SIGPIPE, SIG_IGN)
    var awaited = sigset_t()
    sigemptyset(&awaited)
    sigaddset(&awaited, SIGTERM)
    sigaddset(&awaited, SIGINT)
    pthread_sigmask(SIG_BLOCK, &awaited, nil)
    let server = try OracleServer.start(setup)
    ServiceManager.ready("answers on " + server.endpoints.map(\.description).joined(separator: ", "))
    var number: Int32 = 0
    while sigwait(&awaited, &number) != 0 {}
    ServiceManager.stopping()
    server.end()
    setup.log("ended by a signal")
  }
}
