//  Striper — being built.
