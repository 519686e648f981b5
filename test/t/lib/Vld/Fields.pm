# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# For suites about the fields that modules put around a response: a server with
# one page in folders of that name below `full` and `quick`, where the quick
# handler is on, each with lines of configuration, and what a 304 has otherwise
# than its 200.
package Vld::Fields;
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
use Time::HiRes ();
use Vld::Extra;
use Vld::Many;
use Vld::Server ();
use Vld::Test;

our @EXPORT = qw($text $old start_fields in_folders lines_text differences
    conditional check_notes);

our $old = 1_570_000_000;
our $text = join '', map { "line $_ of a page with fields\n" } 1 .. 60;
my $modules = load_modules(qw(unique_id usertrack));

# Fields of a stored response that matter, whoever replays them.
my @carried = map { lc } qw(ETag Cache-Control Vary Content-Location
    CDN-Cache-Control Surrogate-Control Access-Control-Allow-Origin
    Access-Control-Allow-Credentials Access-Control-Expose-Headers
    Content-Security-Policy Content-Security-Policy-Report-Only
    Cross-Origin-Embedder-Policy Cross-Origin-Opener-Policy
    Cross-Origin-Resource-Policy Permissions-Policy Referrer-Policy
    Strict-Transport-Security Timing-Allow-Origin X-Content-Type-Options
    X-Frame-Options);

# --- the server ----------------------------------------------------------------

# Directory sections for these folders, by name, in both places.
sub in_folders
{
    my ($s, %lines) = @_;
    my $docs = $s->docs;
    return join '', map { my $way = $_; map { "<Directory \"$docs/$way/$_\">\n"
        . "$lines{$_}\n</Directory>\n" } sort keys %lines } qw(full quick);
}

sub conf
{
    my $s = shift;
    my ($docs, $ttl) = ($s->docs, $s->{ttl} || 600);
    my $conf = <<"END";
$modules
<Directory "$docs">
    Require all granted
    AllowOverride All
</Directory>
<IfModule mod_validators.c>
    ValidatorsEngine On
    ValidatorsAnswerTTL $ttl
    <DirectoryMatch "/quick(/|\$)">
        ValidatorsQuickHandler On
    </DirectoryMatch>
</IfModule>
END
    $conf .= in_folders($s, %{$s->{folders}});
    return $s->{more} ? $conf . $s->{more}->($s) : $conf;
}

sub prepare
{
    my $s = shift;
    for my $way (qw(full quick)) {
        for my $name (sort keys %{$s->{folders}}) {
            stamp(spew($s->docs($way, $name, 'page.css'), $text), $old);
        }
    }
    $s->{files}->($s) if $s->{files};
    settle();
    # A date of today is sent when its second is over.
    Time::HiRes::sleep(1.1);
}

# name; folders: lines of configuration by the folder's name; more: what else is
# configured, files: what else is there, each a sub that is given the server; ttl.
sub start_fields
{
    return Vld::Server->start(@_, prepare => \&prepare, conf => \&conf);
}

# --- what is compared ----------------------------------------------------------

# Fields that one message has and another of the same resource may not.
my %own = map { $_ => 1 } qw(date connection keep-alive upgrade server
    expires);

sub lines_text
{
    my ($res, $name) = @_;
    return join "\n", lines_of($res, $name);
}

sub differences
{
    my ($full, $res) = @_;
    my @wrong;
    for my $name (@carried) {
        my ($want, $got) = map { lines_text($_, $name) } $full, $res;
        push @wrong, "$name: 200 [$want], 304 [$got]" if $want ne $got;
    }
    my %seen;
    for my $name (grep { !$own{$_} && !$seen{$_}++ } map { $_->[0] }
        @{$res->{lines}})
    {
        my ($want, $got) = map { lines_text($_, $name) } $full, $res;
        push @wrong, "$name: 200 [$want], 304 [$got]" if $want ne $got
            && $name ne 'set-cookie';
    }
    push @wrong, 'Expires: ' . ($res->{h}{expires} || 'none')
        if !defined $full->{h}{expires} ne !defined $res->{h}{expires};
    return join "\n", @wrong;
}

# --- notes ---------------------------------------------------------------------

# The X-Id of requests, and the note that each must have left.
my @notes;

sub conditional
{
    my ($c, $url, $note, $held, @fields) = @_;
    my $id = new_id();
    push @notes, [$id, $note, $url];
    return $c->get($url, @$held, @fields, 'X-Id' => $id);
}

# The notes of all conditional requests since the last time, after the server has
# stopped.
sub check_notes
{
    my $server = shift;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $said = notes_of($server->log_path, map { $_->[0] } @notes);
    my @wrong;
    for my $note (@notes) {
        my ($id, $want, $url) = @$note;
        push @wrong, "$url: " . ($said->{$id} || 'not logged') . ", not $want"
            unless ($said->{$id} || '') eq $want;
    }
    all_right(scalar(@notes) . ' requests went the ways that they were meant to'
        . ' go', @wrong);
    @notes = ();
}

1;
