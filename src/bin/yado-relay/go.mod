module yadokari.dev/yado-relay

go 1.26
