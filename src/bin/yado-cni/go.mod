module yadokari.dev/yado-cni

go 1.24
