# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# The note in the access log, for requests that end early or that somebody else
# answers: each word of the manual is met, and `-` only where the module has
# nothing to do with the request.
use strict;
use warnings;
use Test::More;
use Vld::Server ();
use Vld::Test;

plan skip_all => 'without the module there is no note' unless module_loaded();

my $server = Vld::Server->start(name => 'notes', conf => sub {
    my $docs = $_[0]->docs;
    return <<"END";
ScriptAlias /cgi/ "$docs/cgi/"
Redirect 301 /moved /page.html
Redirect 404 /lost
ErrorDocument 403 /page.html
ValidatorsEngine On
<Directory "$docs">
    Require all granted
    Options +ExecCGI
</Directory>
<Directory "$docs/closed">
    Require all denied
</Directory>
<Directory "$docs/plain">
    ValidatorsEngine Off
</Directory>
<Location "/closed/told">
    ErrorDocument 403 "no"
</Location>
END
}, prepare => sub {
    my $s = shift;
    spew($s->docs($_), "a page\n" x 30)
        for qw(page.html folder/x closed/page plain/page);
    spew($s->docs('cgi/judge'), <<'END');
#!/bin/sh
case "$QUERY_STRING" in
304) printf 'Status: 304\nETag: "own"\n\n' ;;
206) printf 'Status: 206\nContent-Type: text/plain\n'
    printf 'Content-Range: bytes 0-1/5\n\nab' ;;
412) printf 'Status: 412\nContent-Type: text/plain\n\nno' ;;
500) exit 1 ;;
*) printf 'Content-Type: text/plain\n\nplain' ;;
esac
END
    chmod 0755, $s->docs('cgi/judge');
});
settle();

my @cases = (
    ['/page.html', 200, '200|200-unindexed'],
    ['/moved', 301, 'declined-status'],
    ['/folder', 301, 'declined-status'],
    ['/lost', 404, 'declined-status'],
    ['/nothing', 404, 'declined-status'],
    ['/closed/page', 403, 'declined-status'],
    ['/closed/told', 403, 'declined-status'],
    ['/cgi/judge?304', 304, 'declined-evaluated'],
    ['/cgi/judge?206', 206, 'declined-evaluated'],
    ['/cgi/judge?412', 412, 'declined-evaluated'],
    ['/cgi/judge?500', 500, 'declined-status'],
    ['/cgi/judge', 200, 'declined-handler'],
    ['/plain/page', 200, '-'],
    ['/plain/nothing', 404, '-'],
);
for my $method ('GET', 'HEAD') {
    for my $case (@cases) {
        my ($url, $status, $word) = @$case;
        my $id = new_id();
        my $res = $server->client->request($method, $url, 'X-Id' => $id);
        is($res->{status}, $status, "$method $url: $status");
        noted($id, qr/^(?:$word)$/, "$method $url: $word", $server->log_path);
    }
}
done_testing;
