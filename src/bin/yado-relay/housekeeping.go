package main

import "time"

// A slow guest takes seconds to make the next part of a pod, so only what has been of no use for several looks is.
const (
	houseLook  = 15 * time.Second
	houseLooks = 4
)

// Removes what nobody else in the guest remembers.
func keepHouse(given settings) {
	shims, cgroups := map[string]int{}, map[string]int{}
	for range time.Tick(houseLook) {
		shims = endIdleShims(shims, given.runtime)
		cgroups = stillIdle(cgroups, orphanedCgroups(cgroupRoot, given.pods))
		for folder, looks := range cgroups {
			if looks >= houseLooks {
				removeCgroup(folder)
			}
		}
	}
}

// How often in a row each has been found idle.
func stillIdle(before map[string]int, found []string) map[string]int {
	now := map[string]int{}
	for _, name := range found {
		now[name] = before[name] + 1
	}
	return now
}
