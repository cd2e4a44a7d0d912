// Asks the Platform who the user is, with the token source of client/RECIPES.md, which lies beside this file when it
// is run.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/oauth2"
)

func main() {
	client := oauth2.NewClient(context.Background(), oauth2.ReuseTokenSource(nil, Seqera("work")))
	answer, err := client.Get(os.Getenv("API") + "/user-info")
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(body))
}
