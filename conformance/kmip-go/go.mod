module yaoku.test/conformance/kmip

go 1.25.0

require github.com/ovh/kmip-go v0.6.0
