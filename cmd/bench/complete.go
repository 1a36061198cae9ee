package main

import (
	"strings"

	"github.com/spf13/cobra"

	"taskbench/brokers/all"
	"taskbench/scenarios"
)

// complete makes the shell complete a flag that takes a list of names.
func (a *app) complete(c *cobra.Command, flag string, names func() []string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return extend(typed, names()), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// extend completes the last name of a list.
func extend(typed string, names []string) []string {
	before := ""
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		before, typed = typed[:i+1], typed[i+1:]
	}
	var all []string
	for _, name := range names {
		if strings.HasPrefix(name, typed) {
			all = append(all, before+name)
		}
	}
	return all
}

func driverNames() []string {
	var names []string
	for _, d := range all.Drivers() {
		names = append(names, d.Name)
	}
	return names
}

// brokerNames are the brokers, and each of their variants.
func brokerNames() []string {
	var names []string
	for _, d := range all.Drivers() {
		names = append(names, d.Name)
		for _, v := range d.Variants {
			names = append(names, d.Name+":"+v.Name)
		}
	}
	return names
}

// completeBroker completes one broker as an argument.
func (a *app) completeBroker(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return extend(typed, brokerNames()), cobra.ShellCompDirectiveNoFileComp
}

// completeScenario completes a built-in scenario, or a file.
func (a *app) completeScenario(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return extend(typed, scenarios.Names()), cobra.ShellCompDirectiveDefault
}

// completeDirectory completes result directories.
func (a *app) completeDirectory(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
