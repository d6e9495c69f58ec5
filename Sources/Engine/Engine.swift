//  Engine — being built.
