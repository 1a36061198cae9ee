package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"taskbench/harness"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, with the git revision where the build knows it",
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 0, 0)
			if err := a.mistaken(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(a.stdout, versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("taskbench %s%s %s %s/%s", harness.Version, built(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// built is the pseudo-version that the go command stamps into what it builds inside a repository.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return ""
	}
	return " (" + info.Main.Version + ")"
}
