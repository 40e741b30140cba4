// Command call does, with the client that has been generated for Go, what a platform and its customer do.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"

	hooks "github.com/GIT_USER_ID/GIT_REPO_ID"
)

const callbackURL = "https://hooks.example.com/delivery-status?tenant=42"

func require(isTrue bool, what string, found any) {
	if !isTrue {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, found)
		os.Exit(1)
	}
}

func client(url, key string) *hooks.APIClient {
	configuration := hooks.NewConfiguration()
	configuration.Servers = hooks.ServerConfigurations{{URL: url}}
	configuration.AddDefaultHeader("X-API-Key", key)
	return hooks.NewAPIClient(configuration)
}

func main() {
	url, key := os.Args[1], os.Args[2]
	ctx := context.Background()
	platform := client(url, key)

	_, _, err := platform.AccountsAPI.PutAccount(ctx, "gopher").AccountInput(*hooks.NewAccountInput()).Execute()
	require(err == nil, "an account is created", err)
	made, answer, err := platform.KeysAPI.CreateKey(ctx, "gopher").KeyInput(*hooks.NewKeyInput()).Execute()
	require(err == nil && answer.StatusCode == http.StatusCreated, "a key is created", err)

	webhooks := client(url, made.GetKey()).DeliveryStatusAPI
	created, _, err := webhooks.CreateDeliveryStatusWebhook(ctx).WebhookInput(*hooks.NewWebhookInput(callbackURL)).Execute()
	require(err == nil && created.GetStatus() == hooks.ACTIVE, "a webhook is created", err)
	read, _, err := webhooks.GetDeliveryStatusWebhook(ctx).Execute()
	require(err == nil && read.GetId() == created.GetId() && read.GetDisabledReason() == "", "it is read", err)

	wrong := *hooks.NewWebhookInput("http://hooks.example.com/")
	_, _, err = webhooks.UpdateDeliveryStatusWebhook(ctx).WebhookInput(wrong).Execute()
	refused, ok := err.(*hooks.GenericOpenAPIError)
	require(ok, "a wrong URL is refused", err)
	problem, ok := refused.Model().(hooks.Problem)
	require(ok && problem.GetErrors()[0].GetCode() == hooks.NOT_HTTPS, "and it is said why", problem)

	event := *hooks.NewEvent("gopher", "1", hooks.SMS, hooks.DELIVERED, created.GetCreatedAt())
	accepted, _, err := platform.EventsAPI.AcceptEvents(ctx).EventsInput(*hooks.NewEventsInput([]hooks.Event{event})).Execute()
	require(err == nil && accepted.GetAccepted() == 1, "an event is accepted", err)
	_, err = webhooks.DeleteDeliveryStatusWebhook(ctx).Execute()
	require(err == nil, "the webhook is deleted", err)

	text, err := os.ReadFile(os.Args[3])
	require(err == nil, "there are notifications", err)
	var notifications map[string]json.RawMessage
	require(json.Unmarshal(text, &notifications) == nil, "they are JSON", string(text))
	for class, body := range notifications {
		var notification hooks.Notification
		err := json.Unmarshal(body, &notification)
		require(err == nil, "a notification is read as "+class, err)
		found := reflect.TypeOf(notification.GetActualInstance()).Elem().Name()
		require(found == class, "a notification is read as "+class, found)
	}
}
