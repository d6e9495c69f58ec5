//  Crypto — being built.
