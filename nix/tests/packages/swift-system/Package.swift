// The sources of a package.
