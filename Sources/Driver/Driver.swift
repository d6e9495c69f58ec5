//  Driver — being built.
