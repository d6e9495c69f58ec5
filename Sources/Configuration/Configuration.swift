//  Configuration — being built.
