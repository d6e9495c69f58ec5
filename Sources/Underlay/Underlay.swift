//  Underlay — being built.
