# Prepares a Request Tracker for a test: a password ("password") and a token for root, and a custom field whose value links to Deskside.
# Usage: request-tracker.pl TEMPLATE-OF-THE-LINK; prints the token.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib', '/usr/local/share/request-tracker5/lib';
use RT -init;

my ($link) = @ARGV;
my $root = RT::CurrentUser->new(RT->SystemUser);
$root->Load('root');

my $user = RT::User->new(RT->SystemUser);
$user->Load('root');
my ($ok, $message) = $user->SetPassword('password');
die "no password: $message" unless $ok;

my $token = RT::AuthToken->new($root);
my $string;
($ok, $message, $string) = $token->Create(Owner => $root->id, Description => 'Deskside');
die "no token: $message" unless $ok;

my $field = RT::CustomField->new(RT->SystemUser);
($ok, $message) = $field->Create(
    Name        => 'Remote support',
    Type        => 'FreeformSingle',
    LookupType  => 'RT::Queue-RT::Ticket',
    LinkValueTo => $link,
);
die "no custom field: $message" unless $ok;
my $queue = RT::Queue->new(RT->SystemUser);
$queue->Load('General');
($ok, $message) = $field->AddToObject($queue);
die "the custom field has no queue: $message" unless $ok;

print "$string\n";
