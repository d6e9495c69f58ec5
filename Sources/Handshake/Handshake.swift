//  Handshake — being built.
